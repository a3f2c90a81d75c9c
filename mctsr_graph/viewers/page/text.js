/* Text of a model: shown as text, its TeX drawn by KaTeX. Nothing in it becomes markup. */

const TEX = { trust: false, strict: "ignore", throwOnError: true, maxSize: 20, maxExpand: 500 };
const LONGEST_TEXT = 200_000; // characters in which TeX is looked for
const LONGEST_FORMULA = 2_000;
const MOST_FORMULAS = 500;
const MOST_CELLS = 400; // of a matrix
const AT_ONCE = 50; // milliseconds of drawing before a page or a panel is shown
const LONGEST_GO = 500; // milliseconds of drawing in a row, a formula at a time
const SHARE = 0.25; // of the time, in the long run
const DEEPEST = 30; // braces and commands within each other
// Commands that define others, or that KaTeX refuses: their source is shown
const REFUSED = new RegExp("\\\\(?:[gex]?def|let|futurelet|global|long|(?:re)?newcommand|providecommand"
  + "|char|href|url|includegraphics|html(?:Class|Id|Style|Data))(?![A-Za-z])");
const OPENER = /\\\[|\\\(|\$\$?|\\boxed\s?\{|\\begin\{([a-zA-Z]{1,20}\*?)\}|\\./gs;

/** Fill an element with a text, and draw the TeX in it. */
function showText(element, text) {
  element.replaceChildren(...split(text).map(({ source, tex, display }) =>
    tex === undefined || !isDrawable(tex) ? document.createTextNode(source)
      : pen.draw(formula(source, tex, display))));
  for (const block of element.querySelectorAll(":scope > .drawn.block")) takeLine(block);
}

/** Fill an element with a short answer, which is TeX without delimiters, or words. */
function showAnswer(element, answer) {
  const isTex = /[\\^_{]/.test(answer) && !answer.includes("$");
  if (isTex && answer.length <= 200 && isDrawable(answer)) {
    element.replaceChildren(pen.draw(formula(answer, answer, false)));
  } else showText(element, answer);
}

/** The source of a formula, in whose place it can be drawn. */
function formula(source, tex, display) {
  const place = document.createElement("span");
  place.textContent = source;
  return Object.assign(place, { tex, display });
}

function isDrawable(tex) {
  return tex.length <= LONGEST_FORMULA && !REFUSED.test(tex) && depth(tex) <= DEEPEST
    && tex.split(/&|\\\\/).length <= MOST_CELLS;
}

/** A block has its own line: the breaks beside it go. */
function takeLine(block) {
  const changed = block.closest("ins, del"); // what comes after it may stand outside
  const [before, after] = [block.previousSibling, block.nextSibling ?? changed?.nextSibling?.firstChild];
  if (before?.nodeType === Node.TEXT_NODE) before.data = before.data.replace(/\n?[ \t]{0,99}$/, "");
  if (after?.nodeType === Node.TEXT_NODE) after.data = after.data.replace(/^[ \t]*\n?/, "");
}

/**
 * Draws formulas without holding the page: a few at once, the others when they are seen, one at a
 * time. It works a share of the time only; a formula for which there was none yet shows its source.
 */
class Pen {
  #waiting = new Set(); // formulas that are seen
  #left = LONGEST_GO; // milliseconds that it may work now
  #since = performance.now();
  #timer = null;
  #eyes = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen.toReversed()) { // the last is drawn first
      if (isIntersecting) this.#waiting.add(target);
      else this.#waiting.delete(target);
    }
    this.#goOn();
  }, { rootMargin: "200px" });

  /** Draw a formula now, or see to it that it is drawn. */
  draw(place) {
    if (this.#refilled() > LONGEST_GO - AT_ONCE) this.#put(place);
    else this.#eyes.observe(place);
    return place;
  }

  #goOn() {
    if (this.#timer !== null || this.#waiting.size === 0) return;
    const wait = this.#refilled() > 0 ? 0 : -this.#left / SHARE;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      for (const place of [...this.#waiting].toReversed()) { // what was opened last goes first
        this.#waiting.delete(place);
        this.#eyes.unobserve(place);
        if (!place.isConnected) continue;
        this.#put(place);
        break;
      }
      this.#goOn();
    }, wait);
  }

  #put(place) {
    const began = performance.now();
    const drawn = document.createElement("span");
    try {
      katex.render(place.tex, drawn, { ...TEX, displayMode: place.display });
      place.replaceChildren(...drawn.childNodes);
      place.className = place.display ? "drawn block" : "drawn";
      if (place.isConnected) {
        if (place.display) takeLine(place);
        place.getBoundingClientRect(); // to lay it out is part of the work
      }
    } catch {
      // a mistake in the TeX: its source is shown
    }
    this.#left -= performance.now() - began;
  }

  #refilled() {
    const now = performance.now();
    this.#left = Math.min(LONGEST_GO, this.#left + SHARE * (now - this.#since));
    this.#since = now;
    return this.#left;
  }
}

const pen = new Pen();

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
