/* Two searches of one problem: what each has found, where they part, and which one is shown below. */

class Pair {
  constructor({ searches, names, parting, differing, lanes, calls }, onPick) {
    Object.assign(this, { searches, names, parting, differing, lanes, calls, onPick });
    document.body.classList.add("two");
    byId("versus").hidden = false;
    this.picks = names.map((name, which) => button(`Show ${name}`, () => this.pick(which)));
    const [head, ...rest] = parting;
    byId("versus").replaceChildren(
      texted("h2", {}, head), texted("p", {}, rest.join(" ")),
      element("div", { class: "sides" }, ...names.map((name, which) => this.#side(name, which))),
      this.#differing());
  }

  pick(which) {
    this.picks.forEach((pick, place) => pick.setAttribute("aria-pressed", place === which));
    this.onPick(this.searches[which]);
  }

  #side(name, which) {
    const { verdict, final_answer: answer } = this.searches[which];
    const says = verdict?.says ?? {};
    const rank = this.lanes[which].at(-1)?.rank ?? null;
    return element("section", { class: "side", "aria-label": name },
      element("h3", { dir: "auto" }, name),
      element("p", { class: "turn" }, letter(rank), " ", answer ? texted("span", { class: "said" }, shorten(answer, 120), showAnswer) : "no answer"),
      element("p", { class: "muted" }, onPage(Object.values(says).join(" "), verdict)),
      this.#lane(this.lanes[which]), this.picks[which]);
  }

  /** Who led from which call on; both lanes have the same scale. */
  #lane(turns) {
    const words = turns.map(({ from, answer }) => `${answer === null ? "nothing" : plain(answer)} from call ${from}`);
    const lane = element("div", { class: "lane", role: "img", "aria-label": words.join(", ") || "Not known" });
    for (const { from, to, rank } of turns) {
      const part = element("i", { "data-class": classMark(rank) }, (to - from) / this.calls > 0.05 ? letterOf(rank) : "");
      part.style.left = `min(${(100 * from) / this.calls}%, 100% - 5px)`;
      part.style.width = `${(100 * (to - from)) / this.calls}%`;
      lane.append(part);
    }
    return element("div", {}, lane, element("div", { class: "ends" }, element("span", {}, "call 0"), element("span", {}, count(this.calls))));
  }

  #differing() {
    const cell = (words) => element("td", { dir: "auto" }, words);
    const rows = this.differing.map(([name, own, other]) =>
      element("tr", {}, element("th", { scope: "row" }, name), cell(own), cell(other)));
    return element("details", {}, element("summary", {}, rows.length ? `${several(rows.length, "setting")} differ` : "No setting is known to differ"),
      table(["setting", ...this.names], rows));
  }
}
