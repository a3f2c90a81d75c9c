"""The words by which models announce a final answer, in fifteen languages: the one table of them.

A noun is looked for first, in small letters; what may stand around it comes as the source of a
regular expression, for `re.VERBOSE` and `re.IGNORECASE`.
"""

from __future__ import annotations

ANSWER_NOUNS = {
    "en": ("answer", "ans"),
    "es": ("respuesta",),
    "fr": ("réponse", "reponse"),
    "de": ("antwort", "endantwort"),
    "pt": ("resposta",),
    "it": ("risposta",),
    "ru": ("ответ",),
    "ja": ("答え", "答", "解答", "正解"),
    "ko": ("정답", "답", "해답"),
    "zh": ("答案", "答", "故选", "故選", "应选"),
    "ar": ("الجواب", "الإجابة", "الاجابة", "جواب"),
    "hi": ("उत्तर", "जवाब"),
    "nl": ("antwoord", "eindantwoord"),
    "tr": ("cevap", "cevabı", "yanıt"),
    "vi": ("đáp án", "đáp số", "câu trả lời", "trả lời"),
}
"""Nouns that mean the answer of a problem."""

SHORT_NOUNS = {"ans", "故选", "故選", "应选"}
"""Those of them that need no verb and no colon before an option or behind a full stop."""

RESULT_NOUNS = {
    "en": ("result", "solution", "option", "choice"),
    "es": ("resultado", "solución", "solucion"),
    "fr": ("résultat", "resultat", "solution"),
    "de": ("ergebnis", "lösung", "endergebnis"),
    "pt": ("resultado", "solução", "solucao"),
    "it": ("risultato", "soluzione"),
    "ru": ("результат", "решение"),
    "ja": ("結果",),
    "ko": ("결과",),
    "zh": ("结果", "結果", "解"),
    "ar": ("النتيجة", "الحل"),
    "hi": ("परिणाम",),
    "nl": ("resultaat", "oplossing"),
    "tr": ("sonuç", "sonuc", "çözüm"),
    "vi": ("kết quả",),
}
"""Nouns that may mean it, and may head a solution: read where nothing else states an answer."""

ADJECTIVE = r"""(?:final|correct|right|true|required|requested|desired|exact|numerical|simplified
    |complete|only|overall|actual|corrected|revised|updated|resulting|best|full|single|closest
    |finale?|correct[ae]|definitiv[ao]|bonne?|corrette?|esatta|endgültige|richtige|korrekte
    |окончательный|правильный|итоговый|最终|最終|最終的な|正确|正確|최종|अंतिम|सही
    |juiste|uiteindelijke|doğru|nihai|son|đúng|cuối[ ]cùng)"""
"""What may stand before an answer's noun, or behind it ("respuesta final")."""

AFTER_NOUN = r"""(?:finale?s?|correct[aeo]|corret[ao]|definitiv[aeo]|corretta|esatta
|النهائي(?:ة)?|الصحيحة?
    |cuối[ ]cùng|đúng|của[ ](?:bài[ ]toán|ta))"""

COPULA = r"""(?:(?<!\w)(?:is|are|equals?|becomes|(?:would|must|should|will|can|has|have)
    (?:[ ](?:only|to|have|therefore|then|thus|also))*[ ]be
    |(?:(?:would|must|should|will)[ ])?(?:(?:come|work|turn)s?[ ]out[ ](?:to(?:[ ]be)?|as)
    |(?:come|amount|evaluate)s?[ ]to(?=[ *_]{1,4}[-+$\\\d]))|(?:es|son
    |será|sería|debe[ ]ser|est|sont|sera
    |serait|vaut|ist|sind|lautet|lauten|beträgt|wäre|é|são|será|è|sono|sarà|равен|равна|будет|это
    |zijn|luidt|bedraagt|là|bằng|هو|هي))(?!\w)|['’]s(?=\s)
    |应该?[是为選选]|應該?[是為]|[是为為]|等于|は|が|\sहै(?=\s)|[은는이가](?=\s))"""

SEPARATOR = r"(?:[:=：﹕∶]|(?:[-=]>|→|⇒)(?=[ *_]{0,4}[-+$\\(\d]))"
"""What stands between a label and its value."""

ENDING = r"""(?:\s{0,3}(?:です|だ|である|と(?:なります|なる)|に(?:なります|なる)|입니다|이다
        |예요|이에요|है|हैं)
    |['’](?:d[ıiuü]r|t[ıiuü]r)|\s(?:olarak[ ])?(?:bulunur|olur))"""
"""What may close a sentence behind the value, in languages whose verb comes last."""

ADVERB = r"""(?:therefore|thus|hence|then|simply|indeed|now|just|exactly|equal[ ]to|given[ ](?:by
|as)|therefore[ ]the
    |donc|alors|dus|also|somit|daher|quindi|dunque|perciò|entonces|pues|portanto|então|поэтому|итак
    |即|就是|则|正是|vậy|o[ ]halde)"""
"""Adverbs between the verb and the value."""

CONDITION = r"""(?:if|unless|whether|suppose|supposing|assum(?:e|ing)|imagine|in[ ]case
    |to[ ](?:say|think|claim|believe|conclude|guess)|might[ ](?:say|think|claim)
    |si|wenn|falls|angenommen|se|если|als|eğer|nếu|如果|若|假设|假設|もし|만약|यदि|अगर|إذا)"""
"""A sentence with one of these before its statement states nothing."""
