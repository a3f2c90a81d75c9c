/* What is new in a text: a word is kept, gone or new. A formula counts as one word. */

const LONGEST_DIFF = 4_000_000; // pairs of words that are compared; 30 ms
const KEPT_WORDS = 14; // shown on both sides of a change

/** The runs of words that make `after` of `before`: {kind: "kept" | "gone" | "new", words}. */
function wordDiff(before, after) {
  const [a, b] = [wordsOf(before), wordsOf(after)];
  let start = 0;
  while (start < a.length && start < b.length && same(a[start], b[start])) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && same(a.at(-1 - end), b.at(-1 - end))) end += 1;
  const runs = [];
  const add = (kind, word) => {
    if (runs.at(-1)?.kind === kind) runs.at(-1).words.push(word);
    else runs.push({ kind, words: [word] });
  };
  for (const word of b.slice(0, start)) add("kept", word);
  for (const [kind, word] of changes(a.slice(start, a.length - end), b.slice(start, b.length - end))) add(kind, word);
  for (const word of b.slice(b.length - end)) add("kept", word);
  return runs;
}

function same(first, second) {
  return first === second || first.trim() === second.trim();
}

/** Words with the space behind them; a formula is one. */
function wordsOf(text) {
  return split(text).flatMap(({ source, tex }) =>
    tex === undefined ? source.match(/^\s+|\S+\s*/g) ?? [] : [source]);
}

/** The longest common subsequence; where that would take long, all is gone and all is new. */
function changes(a, b) {
  const [rows, columns] = [a.length, b.length];
  const found = [];
  if (rows * columns > LONGEST_DIFF) return [...a.map((word) => ["gone", word]), ...b.map((word) => ["new", word])];
  const ids = new Map();
  const numbers = (words) => Uint32Array.from(words, (word) => {
    const key = word.trim();
    if (!ids.has(key)) ids.set(key, ids.size);
    return ids.get(key);
  });
  const [left, right] = [numbers(a), numbers(b)];
  const width = columns + 1;
  const longest = new Uint16Array((rows + 1) * width); // no more than 65,535, since the product is limited
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      longest[i * width + j] = left[i] === right[j] ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  let [i, j] = [0, 0];
  while (i < rows && j < columns) {
    if (left[i] === right[j]) {
      found.push(["kept", b[j]]);
      [i, j] = [i + 1, j + 1];
    } else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) found.push(["gone", a[i++]]);
    else found.push(["new", b[j++]]);
  }
  while (i < rows) found.push(["gone", a[i++]]);
  while (j < columns) found.push(["new", b[j++]]);
  return found;
}

/** A text with what is new and what is gone marked; long runs of kept words are folded. */
function showDiff(target, before, after) {
  const names = { kept: "span", gone: "del", new: "ins" };
  const runs = wordDiff(before, after);
  target.replaceChildren(...runs.flatMap(({ kind, words }, place) => {
    if (kind !== "kept" || words.length <= 2 * KEPT_WORDS + 4) return [texted(names[kind], { dir: null }, words.join(""))];
    const head = place === 0 ? 0 : KEPT_WORDS;
    const tail = place === runs.length - 1 ? words.length : words.length - KEPT_WORDS;
    const middle = words.slice(head, tail);
    const fold = button(`… ${several(middle.length, "word")} as before …`, () =>
      fold.replaceWith(texted("span", { dir: null }, middle.join(""))), { class: "link fold" });
    return [texted("span", { dir: null }, words.slice(0, head).join("")), fold,
      texted("span", { dir: null }, words.slice(tail).join(""))];
  }));
  return runs.some(({ kind }) => kind !== "kept");
}
