/* How it got there: the rollouts that changed the answer, and what each of them changed. */

const OPEN_STEPS = 4; // shown in full at the beginning and at the end; others when they are opened

/** The moments at which another answer took the lead: {at, best, chance, before, until}. */
function turningPoints(search) {
  const found = [];
  search.history.forEach(({ best, chance }, at) => {
    const last = found.at(-1);
    if (!best || (last && last.best.rank === best.rank && (best.rank !== null || best === last.best))) return;
    if (last) last.until = at;
    found.push({ at, best, chance, before: last?.best ?? null, until: search.last + 1 });
  });
  return found;
}

class Story {
  constructor(search, onSelect) {
    this.search = search;
    this.onSelect = onSelect;
  }

  /** The panel, up to now. */
  draw() {
    const { search } = this;
    const isKnown = search.steps.every(({ known }) => known);
    if (!search.bestNow()) return fill("how", element("h2", { class: "on-paper" }, "How it got there"), note("No answer was found."), ...failuresOf(search));
    const steps = isKnown ? turningPoints(search).filter(({ at }) => at <= search.now) : [];
    const parts = isKnown ? [] : this.#line();
    steps.forEach((step, place) => {
      const isOpen = place < OPEN_STEPS || place >= steps.length - OPEN_STEPS;
      parts.push(this.#step(step, isOpen), this.#meanwhile(step.at + 1, Math.min(step.until, search.now + 1), step.best));
    });
    const says = search.verdict?.says ?? {};
    if (search.now === search.last && says.settled) parts.push(note(says.settled));
    return fill("how", element("h2", { class: "on-paper" }, "How it got there"), ...parts);
  }

  #step({ at, best, chance, before }, isOpen) {
    const { node, step } = this.search.history[at];
    const made = node === best || (step?.made ?? []).includes(best.id);
    const words = before === null ? "The first answer" : `${letterOf(before.rank)} gives way to ${letterOf(best.rank)}`;
    const chanceWords = chance === null || chance === undefined ? "" : `, ${percent(chance)} likely`;
    const head = element("h3", {}, `${this.#when(at)}: ${words}`);
    const answer = element("p", { class: "turn" }, letter(best.rank), " ", said(best), element("span", { class: "muted" }, chanceWords));
    const why = element("p", { class: "family" }, ...(made ? this.#origin(best)
      : ["Node ", this.#link(node ?? best), node && node.rank === best.rank ? " says so, too; " : " changed what is believed; ",
        "the answer is that of node ", this.#link(best)]));
    const item = element("section", { class: "step" }, head, answer, why);
    if (made) item.append(...this.#texts(best, isOpen));
    return item;
  }

  /** Where a node comes from, in words. */
  #origin(node) {
    if (node.merges.length > 0) {
      return ["Node ", this.#link(node), " merges ", ...node.merges.flatMap((one) => [this.#link(one), " "])];
    }
    if (node.up === null) return ["Node ", this.#link(node), " is a draft of its own"];
    return ["Node ", this.#link(node), " refines node ", this.#link(node.up), `, which said ${inWords(node.up)}`];
  }

  /** The critique above what it changed; filled at once, or when it is opened. */
  #texts(node, isOpen) {
    const parts = [];
    const change = changeOf(node, isOpen);
    if (node.critique !== undefined) {
      parts.push(element("h4", {}, node.up ? `Critique of node ${node.up.id}` : "Critique"), texted("div", { class: "prose critique" }, node.critique));
    }
    parts.push(element("h4", {}, node.up === null || node.merges.length > 0 ? "Answer" : "What it changed"), change);
    if (isOpen) return parts;
    const folded = element("details", {}, element("summary", {}, "Critique and change"), ...parts);
    folded.addEventListener("toggle", () => change.show(), { once: true });
    return [folded];
  }

  /** What happened while the answer stayed, folded. */
  #meanwhile(from, until, best) {
    const entries = this.search.history.slice(from, until);
    if (entries.length === 0) return null;
    const nodes = entries.map(({ node }) => node).filter(Boolean);
    const agree = nodes.filter((node) => node.rank === best.rank && node.rank !== null).length;
    const lost = entries.length - nodes.length;
    const told = [`${agree} agree with ${letterOf(best.rank)}`, `${nodes.length - agree} do not`,
      ...(lost ? [`${lost} made no node`] : [])].join(", ");
    const list = element("p", {});
    const folded = element("details", { class: "meanwhile" },
      element("summary", {}, `${several(entries.length, "rollout")} that did not change the answer: ${told}`), list);
    folded.addEventListener("toggle", () => list.append(...nodes.slice(0, 500).flatMap((node) =>
      [letter(node.rank), this.#link(node), " "])), { once: true });
    return folded;
  }

  /** Of a search whose order is not known: the line of refinements that the answer comes from. */
  #line() {
    const path = pathOf(this.search.bestNow()).toReversed();
    return [note("When each answer led is not known of this search. The answer comes from these:"),
      ...path.map((node) => element("section", { class: "step" },
        element("h3", {}, `Node ${node.id}`),
        element("p", { class: "turn" }, letter(node.rank), " ", said(node)),
        element("p", { class: "family" }, ...this.#origin(node)), ...this.#texts(node, true)))];
  }

  #when(at) {
    const { step } = this.search.history[at];
    const index = step?.index ?? at;
    return index === 0 ? "First drafts" : `Rollout ${count(index)}`;
  }

  #link(node) {
    return button(node.id, () => this.onSelect(node), { "aria-label": `Node ${node.id}` });
  }
}

/** The text of a node, with what it changed of the one it refines. `show` fills it. */
function changeOf(node, now) {
  const target = element("div", { class: "prose", dir: "auto" });
  target.show = () => {
    if (node.up === null || node.merges.length > 0) return showText(target, node.answer);
    if (!showDiff(target, node.up.answer, node.answer)) {
      target.replaceChildren(element("p", { class: "muted" }, "The same text again."));
    }
    return undefined;
  };
  if (now) target.show();
  return target;
}
