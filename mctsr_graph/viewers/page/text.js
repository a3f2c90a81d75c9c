/* Text of a model: shown as text, its TeX drawn by KaTeX. Nothing in it becomes markup. */

const TEX = { trust: false, strict: "ignore", throwOnError: true, maxSize: 20, maxExpand: 500 };
const LONGEST_TEXT = 200_000; // characters in which TeX is looked for
const LONGEST_FORMULA = 2_000;
const MOST_FORMULAS = 500;
const DEEPEST = 30; // braces and commands within each other
// Commands that define others, or that KaTeX refuses: their source is shown
const REFUSED = new RegExp("\\\\(?:[gex]?def|let|futurelet|global|long|(?:re)?newcommand|providecommand"
  + "|char|href|url|includegraphics|html(?:Class|Id|Style|Data))(?![A-Za-z])");
const OPENER = /\\\[|\\\(|\$\$?|\\boxed\s?\{|\\begin\{([a-zA-Z]{1,20}\*?)\}|\\./gs;

/** Fill an element with a text, and draw the TeX in it. */
function showText(element, text) {
  element.replaceChildren();
  let afterBlock = false;
  const parts = split(text);
  parts.forEach((part, place) => {
    const drawn = part.tex === undefined ? null : drawTex(part.tex, part.display);
    const block = drawn !== null && part.display;
    let { source } = part;
    if (afterBlock) source = source.replace(/^[ \t]*\n?/, ""); // a block has its own line
    if (parts[place + 1]?.display) source = source.replace(/\n?[ \t]{0,99}$/, "");
    element.append(drawn ?? source); // a string that is appended is a text node
    afterBlock = block;
  });
}

/** Fill an element with a short answer, which is TeX without delimiters, or words. */
function showAnswer(element, answer) {
  const isTex = /[\\^_{]/.test(answer) && !answer.includes("$");
  const drawn = isTex && answer.length <= 200 ? drawTex(answer, false) : null;
  if (drawn !== null) element.replaceChildren(drawn);
  else showText(element, answer);
}

function drawTex(tex, display) {
  if (tex.length > LONGEST_FORMULA || REFUSED.test(tex) || depth(tex) > DEEPEST) return null;
  const place = document.createElement("span");
  try {
    katex.render(tex, place, { ...TEX, displayMode: display });
    return place;
  } catch {
    return null; // a mistake in the TeX: its source is shown
  }
}

/** How deep a formula may nest: open braces, and commands in a row that take one another. */
function depth(tex) {
  let open = 0;
  let chain = 0;
  let deepest = 0;
  for (const [token] of tex.matchAll(/\\[a-zA-Z]+|\\.|[{}^_]|[^\\{}^_\s]+/gs)) {
    if (token === "{") open += 1;
    else if (token === "}") open = Math.max(0, open - 1);
    else if (token.length > 1 && token[0] === "\\" || token === "^" || token === "_") chain += 1;
    else chain = 0;
    if (/^\\(?:left|begin|over|atop)$/.test(token)) open += 1;
    if (/^\\(?:right|end)$/.test(token)) open = Math.max(0, open - 1);
    deepest = Math.max(deepest, open + (chain > 10 ? chain : 0));
  }
  return deepest;
}

/** Cut a text into parts: {source}, or {source, tex, display}. */
function split(text) {
  const parts = [];
  const whole = text.length > LONGEST_TEXT ? "" : text;
  let done = 0;
  let tries = 0;
  OPENER.lastIndex = 0;
  for (let opener; (opener = OPENER.exec(whole)) !== null && tries < MOST_FORMULAS; ) {
    const formula = formulaAt(whole, opener);
    if (formula === null) continue;
    tries += 1;
    if (formula.tex === undefined) continue;
    parts.push({ source: text.slice(done, opener.index) });
    parts.push({ ...formula, source: text.slice(opener.index, formula.end) });
    done = OPENER.lastIndex = formula.end;
  }
  parts.push({ source: text.slice(done) });
  return parts.filter((part) => part.source !== "");
}

/** The formula that an opener begins; {} if it has no end, null if it begins none. */
function formulaAt(text, opener) {
  const [mark, environment] = opener;
  const start = opener.index + mark.length;
  const ahead = text.slice(start, start + LONGEST_FORMULA);
  if (mark === "\\[") return until(ahead, start, "\\]", true);
  if (mark === "\\(") return until(ahead, start, "\\)", false);
  if (mark === "$$") return until(ahead, start, "$$", true);
  if (mark === "$") return dollars(ahead, start);
  if (environment !== undefined) {
    const close = `\\end{${environment}}`;
    const inner = until(ahead, start, close, true);
    return inner.tex === undefined ? {} : { ...inner, tex: mark + inner.tex + close };
  }
  return mark.startsWith("\\boxed") ? boxed(ahead, start) : null;
}

function until(ahead, start, close, display) {
  const at = ahead.indexOf(close);
  return at < 0 ? {} : { tex: ahead.slice(0, at), end: start + at + close.length, display };
}

/** Pandoc's rule, which leaves "$5 and $6" alone: no space inside the marks, no digit behind. */
function dollars(ahead, start) {
  const inside = /^(?!\s)((?:\\.|[^\\$\n]|\n(?!\s*\n))+)(?<!\s)\$(?![0-9])/s.exec(ahead);
  if (inside === null) return {};
  return { tex: inside[1], end: start + inside[0].length, display: false };
}

function boxed(ahead, start) {
  let open = 1;
  for (const token of ahead.matchAll(/\\.|[{}]/gs)) {
    if (token[0] === "{") open += 1;
    else if (token[0] === "}") open -= 1;
    if (open === 0) {
      return { tex: `\\boxed{${ahead.slice(0, token.index)}}`, end: start + token.index + 1 };
    }
  }
  return {};
}
