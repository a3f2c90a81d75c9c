/* Elements, numbers and short texts, the same wherever they are shown. */

/** Make an element. Text among its children stays text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(key, value === true ? "" : value);
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

function fill(id, ...children) {
  byId(id).replaceChildren(...children.filter((child) => child !== null));
}

/** A value on the scale of q and rewards: 0 at its lower end and 1 at its upper one. */
function onScale(value, [lowest, highest]) {
  return Math.max(0, Math.min(1, (value - lowest) / (highest - lowest)));
}

/** Colour an element by a value; what has none is hatched. */
function colour(target, value, scale) {
  target.classList.toggle("unjudged", value === null);
  if (value !== null) target.style.setProperty("--t", onScale(value, scale).toFixed(3));
}

function points(value) {
  return value === null || !Number.isFinite(value) ? "–" : signed(value.toFixed(1));
}

function signed(number) {
  return String(number).replace(/^-0(\.0)?$/, "0$1").replace("-", "−");
}

function count(value) {
  return value.toLocaleString("en");
}

/** A chance in words, as `percent` of verdict.py says it. */
function percent(chance) {
  if (chance === null || chance === undefined) return "not known";
  if (chance > 0.99 && chance < 1) return "over 99 %";
  return chance > 0 && chance < 0.01 ? "under 1 %" : `${Math.round(100 * chance)} %`;
}

function several(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

function shorten(text, most) {
  const flat = text.slice(0, 4 * most).replace(/\s+/g, " ").trim();
  return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat;
}

function texted(name, attributes, text, show = showText) {
  const made = element(name, { dir: "auto", ...attributes });
  show(made, text);
  return made;
}

const SIGNS = {
  cdot: "·", times: "×", pm: "±", le: "≤", leq: "≤", ge: "≥", geq: "≥", ne: "≠", neq: "≠", infty: "∞", in: "∈", cup: "∪", cap: "∩",
  pi: "π", theta: "θ", alpha: "α", beta: "β", lambda: "λ", mu: "μ", sigma: "σ", phi: "φ", circ: "°", degree: "°", sqrt: "√", to: "→",
  emptyset: "∅", ldots: "…", dots: "…", cdots: "…", div: "÷", approx: "≈", quad: " ", left: "", right: "", text: "", mathrm: "",
  mathbf: "", textbf: "", mathbb: "", displaystyle: "", boxed: "", operatorname: "",
};
const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A short answer in TeX as plain words, for a card, a name or a table: 1/2 for \frac{1}{2}. */
function plain(answer) {
  const inside = (part) => (/^[\w.√π∞°]*$/.test(part) ? part : `(${part})`);
  let text = shorten(answer, 120).replace(/\\[()[\]]|\$/g, "").replace(/\\[,;:! ]/g, " ");
  text = text.replace(/\\([A-Za-z]{1,14})(?![A-Za-z])\s?/g, (whole, name) =>
    /^[dt]?frac$/.test(name) ? "\\frac" : Object.hasOwn(SIGNS, name) ? SIGNS[name] : whole);
  for (let again = 0; again < 4 && text.includes("\\frac"); again++) {
    text = text.replace(/\\frac\s?(?:\{([^{}]{0,60})\}|(\d))\s?(?:\{([^{}]{0,60})\}|(\d))/g,
      (_, a, b, c, d) => `${inside(a ?? b)}/${inside(c ?? d)}`);
  }
  text = text.replace(/\^\{?(\d)\}?(?!\d)/g, (_, digit) => RAISED[digit]).replace(/\^\{?°\}?/g, "°");
  text = text.replace(/√\{([^{}]{0,60})\}/g, (_, part) => `√${inside(part)}`);
  return text.replace(/\\([{}%&#_])/g, "\u0001$1").replace(/(?<!\u0001)[{}]/g, "")
    .replaceAll("\u0001", "").replace(/\s+/g, " ").trim() || shorten(answer, 120);
}

/** The final answer of a node in plain words. */
function inWords(node) {
  if (node.final_answer !== undefined) return plain(node.final_answer);
  return node.dummy ? "I don’t know" : "no final answer";
}

function said(node) {
  if (node.final_answer === undefined) return element("span", { class: "muted" }, "none stated");
  return texted("span", { class: "said" }, shorten(node.final_answer, 120), showAnswer);
}

/** The letter of a class of answers: A for the one that is returned. */
function letterOf(rank) {
  if (rank === null) return "–";
  return rank < 26 ? String.fromCharCode(65 + rank) : String(rank + 1);
}

function classMark(rank) {
  return rank === null ? "none" : rank < 6 ? String(rank) : "rest";
}

function letter(rank) {
  return element("span", { class: "letter", "data-class": classMark(rank) }, letterOf(rank));
}

function button(text, onClick, attributes = {}) {
  const made = element("button", { type: "button", class: "link", ...attributes }, text);
  made.addEventListener("click", onClick);
  return made;
}

/** A button that copies a text. */
function copier(what, text) {
  const made = button("Copy", async () => {
    made.textContent = (await copy(text)) ? "Copied" : "Not allowed";
    setTimeout(() => (made.textContent = "Copy"), 1500);
  }, { class: "link copy", "aria-label": `Copy ${what}` });
  return made;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "unseen" }); // a frame, or a page that is not trusted
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function bar(value, total) {
  const made = element("span", { class: "bar" }, count(value));
  made.style.setProperty("--share", total > 0 ? value / total : 0);
  return made;
}

function note(text) {
  return element("p", { class: "note" }, text);
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

function table(head, rows, numbers = []) {
  const cells = head.map((text, place) =>
    element("th", { scope: "col", class: numbers.includes(place) ? "number" : null }, text));
  return element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Table" }, element("table", {},
    element("thead", {}, element("tr", {}, ...cells)), element("tbody", {}, ...rows)));
}

const VERDICTS = { right: "✓ right", wrong: "✗ wrong", no_answer: "– no answer", undecided: "? undecided" };

/** What a reader should know of a node at a glance, in a few words. */
function signsOf(node) {
  return [
    VERDICTS[node.verdict],
    node.prunedNow ? "pruned" : isOut(node) && "out of play",
    node.pinnedNow && "pinned",
    !node.prunedNow && !node.pinnedNow && node.steering && "by a person",
    node.suspicious && "suspicious",
    node.truncated && "cut off",
    node.duplicate_of !== undefined && "repeat",
  ].filter(Boolean);
}

/** Whether a person took a node out of play: it or one above it is pruned, or others are pinned. */
function isOut(node) {
  return Boolean(node.outNow);
}

/** The answer of a node as its card shows it, with its letter. */
function saidBy(node) {
  return `${letterOf(node.rank)} ${inWords(node)}`;
}

/** The number of a node and its signs, in parts, as its card shows them: without the word where there is no room. */
function markOf(node, best) {
  const signs = signsOf(node);
  const whole = [`node ${node.id}`, ...signs];
  return whole.join(" · ").length > (best ? 14 : 16) ? [node.id, ...signs] : whole;
}

/** A node's name for a screen reader: what its card shows, in that order, and then what only its looks tell. */
function nameOf(node, search, hidden = 0) {
  const more = hidden > 0 ? [`+${hidden}`] : [];
  const best = node === search.bestNow();
  return [saidBy(node), ...more, ...markOf(node, best), ...(best ? ["best"] : []), `q ${points(node.qNow)}`].join(", ");
}
