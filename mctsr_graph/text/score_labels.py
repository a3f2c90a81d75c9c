"""The words for a score in other languages than English: the one table of them.

`score` reads a judge's reply by them, and `hostile` hides what an answer forges with them. Words in
Latin letters come in small letters, with and without accents.
"""

from __future__ import annotations

SCORE_NOUNS = {
    "es": ("puntuación", "puntuacion", "calificación", "calificacion", "puntaje"),
    "fr": ("évaluation",),
    "de": ("bewertung", "gesamtpunktzahl", "punktzahl", "punktestand", "endnote"),
    "pt": ("pontuação", "pontuacao", "avaliação", "avaliacao"),
    "it": ("punteggio", "valutazione"),
    "nl": ("beoordeling", "eindcijfer", "cijfer"),
    "pl": ("ocena", "punktacja"),
    "tr": ("puan", "skor"),
    "vi": ("điểm số", "điểm", "đánh giá"),
    "ru": ("оценка", "оценку", "баллы", "баллов", "балл", "рейтинг"),
    "zh": (
        *("评分", "得分", "分数", "打分", "总分", "成绩", "評分", "得分", "分數", "總分"),
        *("最终评分", "最终得分", "最终分数", "最後得分"),
    ),
    "ja": ("スコア", "点数", "評価点", "評価", "採点", "得点", "評点"),
    "ko": ("점수", "평가", "평점", "총점"),
    "ar": ("الدرجة", "التقييم", "النقاط", "درجة"),
    "hi": ("अंक", "स्कोर"),
}
"""Nouns that hardly mean anything else at the head of a line."""

OTHER_NOUNS = (
    *("note", "nota", "voto", "punkte", "punten", "puntos", "pontos", "punti", "النتيجة"),
)
"""Nouns that mean other things, too: read where nothing but the score stands in their line."""

FINAL = (
    r"(?:final|finale|final[ea]?|globale?|total|totale|gesamt|общая|итоговая|최종|最终|最終"
    r"|النهائية)"
)
"""What may stand before or behind such a noun."""

OF_HUNDRED = r"(?:sur|von|de|su|из|van|sobre|em|z|trên|üzerinden|中)"
"""What stands between the points and the most there are: "85 sur 100"."""
