/* What stands beside the tree: the node that is looked at, and the tables. */

const FEW_ROWS = 150; // of a table, until all are asked for

class Panels {
  constructor(search, { onSelect, onSeek, onClass }) {
    Object.assign(this, { search, onSelect, onSeek, onClass });
    this.story = new Story(search, onSelect);
    this.long = false; // whether tables show all their rows
  }

  how() {
    this.story.draw();
  }

  /** All about one node. */
  node(node) {
    const panel = byId("node");
    if (!node) return panel.replaceChildren(note("Choose a node of the tree."));
    const rewards = node.rewards.slice(0, node.rewardsNow);
    const figures = [["q", points(node.qNow)], ["mean", points(mean(rewards))],
      ["visits", rewards.length], ["depth", node.depth], ["rollout", node.rollout || "root"], ...this.#spent(node)];
    const isRefined = node.up !== null && node.merges.length === 0;
    panel.replaceChildren(...[
      element("h2", {}, `Node ${node.id}`, letter(node.rank), ...this.#badges(node)),
      element("dl", { class: "figures" }, ...figures.map(([name, value]) =>
        element("div", {}, element("dt", {}, name), element("dd", {}, String(value))))),
      this.#rewards(rewards),
      this.#family(node),
      section("Final answer", element("div", { class: "final" },
        node.final_answer === undefined ? said(node) : texted("span", {}, node.final_answer, showAnswer)),
      ...(node.final_answer === undefined ? [] : [copier("the final answer", node.final_answer)])),
      node.critique === undefined ? null : section(
        isRefined ? `Critique of node ${node.up.id} that led to it` : "Critique that led to it",
        texted("div", { class: "prose critique" }, node.critique), copier("the critique", node.critique)),
      this.#answer(node, isRefined),
      node.steering ? section("Done by people", element("ul", {}, ...node.steering.map(
        ({ action, by, at }) => element("li", { dir: "auto" }, shorten(`${action}: ${by}, ${at}`, 200))))) : null,
      callsOf(this.search, node),
    ].filter((part) => part !== null));
    return undefined;
  }

  /** What the step that made a node has cost, as far as it was recorded. */
  #spent(node) {
    const { steps } = this.search;
    const at = steps.findIndex(({ made }) => made.includes(node.id));
    const spent = (name) => (steps[at]?.[name] ?? null) === null ? null
      : steps[at][name] - (steps[at - 1]?.[name] ?? 0);
    if (at < 0 || !steps[at].known || steps[at].made.length > 1) return [];
    const figures = [["calls", spent("calls")], ["tokens", spent("tokens")],
      ["seconds", spent("seconds")?.toFixed(1)], ["price", spent("price")?.toPrecision(2)]];
    return figures.filter(([, value]) => value !== null && value !== undefined);
  }

  #answer(node, isRefined) {
    const text = texted("div", { class: "prose answer" }, node.answer);
    if (!isRefined) return section("Answer", text, copier("the answer", node.answer));
    const change = changeOf(node, false);
    change.hidden = true;
    const views = [["As it is", text], ["What it changed", change]].map(([name, view]) => {
      const made = button(name, () => {
        if (view === change && change.childNodes.length === 0) change.show();
        for (const [other, its] of views) {
          other.setAttribute("aria-pressed", other === made);
          its.hidden = other !== made;
        }
      }, { "aria-pressed": String(view === text), class: "pick" });
      return [made, view];
    });
    return section("Answer", element("div", { class: "picks" }, ...views.map(([made]) => made)), text, change,
      copier("the answer", node.answer));
  }

  /** The rollouts up to now, the latest first. */
  rollouts() {
    const { history, now } = this.search;
    const failures = Map.groupBy(this.search.failures, (failure) => failure.rollout);
    const from = this.long ? 0 : Math.max(0, now + 1 - FEW_ROWS);
    const rows = history.slice(from, now + 1).map((entry, place) =>
      this.#rollout(entry, from + place, failures)).reverse();
    const head = ["#", "what", "answer", "q then", "answer then"];
    fill("rollouts", element("h2", { class: "on-paper" }, "Rollouts"), table(head, rows, [3]),
      this.#more(from > 0, now + 1, "rollouts"),
      note("q then: of the new node, when it was made. Answer then: what would have been returned, and its chance."));
  }

  #rollout({ node, q, best, chance, step }, at, failures) {
    const index = step?.index ?? at;
    const go = button(index === 0 ? "roots" : `${index}`, () => this.onSeek(at),
      { "aria-label": `Show the search after ${index === 0 ? "the roots" : `rollout ${index}`}` });
    const now = at === this.search.now ? "now" : null;
    const row = (...cells) => element("tr", { class: now }, element("th", { scope: "row" }, go), ...cells);
    const then = element("td", {}, ...(best ? [letter(best.rank), " ",
      element("span", { class: "muted" }, chance === null || chance === undefined ? "" : percent(chance))] : ["–"]));
    if (!node) {
      const refined = this.search.nodes.find(({ id }) => id === step?.parent);
      const why = (failures.get(index) ?? []).map((f) => `${f.role}: ${f.code}`).join(", ") || "no new node";
      return row(element("td", { class: "what" }, ...(refined ? [this.#link(refined), " → ×"] : ["×"])),
        element("td", { colspan: 2, class: "muted" }, why), then);
    }
    return row(element("td", { class: "what" }, ...this.#madeFrom(node), this.#link(node)),
      element("td", {}, letter(node.rank), " ", said(node)),
      element("td", { class: "number" }, this.#chip(q)), then);
  }

  /** The classes of equal answers up to now, with their votes. */
  answers() {
    const { search } = this;
    const atEnd = search.now === search.last && search.classes;
    const classes = search.answersNow();
    const place = ([, [{ rank }]]) => rank ?? Infinity;
    if (atEnd) classes.sort((a, b) => place(a) - place(b));
    const votesOf = (nodes) => nodes.filter((node) => node.repeats === undefined && !node.outNow).length;
    const voters = classes.reduce((sum, [, nodes]) => sum + (nodes[0].rank === null ? 0 : votesOf(nodes)), 0);
    const rows = classes.map(([, nodes]) => {
      const known = atEnd ? search.classes.find((one) => nodes.some(({ id }) => one.nodes.includes(id))) : null;
      const { rank } = nodes[0];
      const votes = known?.votes ?? votesOf(nodes);
      const chance = element("td", {}, known ? percent(known.chance) : "–");
      return element("tr", { class: nodes.includes(search.bestNow()) ? "now" : null },
        element("td", {}, this.#filter(rank)),
        element("th", { scope: "row", "aria-label": inWords(nodes[0]) }, said(nodes[0])),
        ...(atEnd ? [chance] : []),
        element("td", {}, rank === null ? element("span", { class: "muted" }, `(${nodes.length})`) : bar(votes, voters)),
        element("td", { class: "number" }, points(known ? known.reward : mean(nodes.flatMap((node) => meanNow(node) ?? [])))),
        element("td", {}, this.#link(nodes[0], nodes)));
    });
    const head = ["class", "answer", ...(atEnd ? ["chance"] : []), "votes", "reward", "node"];
    const shown = this.long ? rows : rows.slice(0, FEW_ROWS);
    fill("answers", element("h2", { class: "on-paper" }, "Answers"), table(head, shown, [atEnd ? 4 : 3]),
      this.#more(shown.length < rows.length, rows.length, "answers"),
      note("A vote is a node that states the answer, if it is in play and its reply is no copy of another's; answers that are "
        + "plainly equal, such as 0.5 and 1/2, are one. Reward: the mean of the nodes' mean rewards."));
  }

  #filter(rank) {
    const made = button("", () => this.onClass(rank), { class: "link bare", "aria-label": `Show only answer ${letterOf(rank)}` });
    made.append(letter(rank));
    return made;
  }

  /** Calls, tokens and money by role, and what could not be had. */
  cost() {
    const roles = Object.entries(this.search.usage);
    const of = (cost, key) => cost[key] ?? 0;
    const sums = (key) => roles.reduce((sum, [, cost]) => sum + of(cost, key), 0);
    const keys = ["calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"];
    const price = (known, unknown) => unknown ? "not known"
      : known.toLocaleString("en", { maximumFractionDigits: 6 });
    const row = (name, cells, attributes) => element("tr", attributes,
      element("th", { scope: "row" }, name),
      ...cells.map((cell) => element("td", { class: "number" }, cell)));
    const rows = roles.map(([role, cost]) => row(role, [
      ...keys.map((key) => bar(of(cost, key), sums(key))),
      price(of(cost, "price"), cost.unpriced_calls ?? cost.calls)]));
    const unpriced = roles.some(([, cost]) => cost.unpriced_calls ?? cost.calls);
    rows.push(row("total", [...keys.map((key) => count(sums(key))), price(sums("price"), unpriced)],
      { class: "total" }));
    const unmetered = sums("unmetered_calls");
    const { rollouts, nodes, verdict } = this.search;
    fill("cost", element("h2", { class: "on-paper" }, "Cost"),
      element("p", { class: "family" }, `${several(rollouts, "rollout")}, ${several(nodes.length, "node")}. `
        + onPage(verdict?.says.stopped ?? "", verdict)),
      table(["role", "calls", "tokens in", "cached", "tokens out", "thinking", "price"], rows,
        [1, 2, 3, 4, 5, 6]),
      ...(unmetered ? [note(`The tokens of ${several(unmetered, "call")} are not known.`)] : []),
      ...failuresOf(this.search));
  }

  #more(isCut, all, what) {
    if (!isCut) return null;
    return button(`Show all ${count(all)} ${what}`, () => {
      this.long = true;
      this[what]();
    }, { class: "more" });
  }

  #badges(node) {
    const badges = [];
    if (node === this.search.bestNow()) badges.push(["best", "★ the answer"]);
    if (node.dummy) badges.push(["", "dummy"]);
    if (node.prunedNow) badges.push(["warn", "pruned"]);
    else if (isOut(node)) badges.push(["warn", "out of play"]);
    if (node.pinnedNow) badges.push(["best", "pinned"]);
    if (node.truncated) badges.push(["warn", "cut off"]);
    if (node.suspicious) badges.push(["warn", "suspicious"]);
    if (node.duplicate_of !== undefined) badges.push(["", `same text as ${node.duplicate_of}`]);
    return badges.map(([kind, text]) => element("span", { class: `badge ${kind}` }, text));
  }

  #rewards(rewards) {
    const marks = rewards.map((reward) => {
      const mark = element("i", {});
      mark.style.left = `${100 * onScale(reward, this.search.scale)}%`;
      return mark;
    });
    const list = rewards.map((reward) => signed(Math.round(reward * 100) / 100)).join(", ");
    const words = rewards.length === 0 ? "never judged" : `${rewards.length === 1 ? "reward" : "rewards"} ${list}`;
    return element("div", { class: "rewards" },
      element("div", { class: "axis", role: "img", "aria-label": rewards.length === 0 ? "Never judged" : `Rewards: ${list}` }, ...marks),
      element("div", { class: "ends" }, element("span", {}, signed(this.search.scale[0])),
        element("span", {}, words), element("span", {}, signed(this.search.scale[1]))));
  }

  #family(node) {
    const links = [];
    const add = (words, nodes) => {
      const shown = nodes.filter((other) => other.shown);
      if (shown.length === 0) return;
      links.push(`${links.length > 0 ? " · " : ""}${words} `, ...shown.map((other) => this.#link(other)));
    };
    if (node.merges.length > 0) add("merges", node.merges);
    else if (node.up) add("refines", [node.up]);
    add("refined by", node.children.filter((child) => child.merges.length === 0));
    add("merged into", node.mergedInto);
    return element("p", { class: "family" }, ...links);
  }

  /** The nodes that a node was made from, and an arrow. */
  #madeFrom(node) {
    const from = node.merges.length > 0 ? node.merges : node.up ? [node.up] : [];
    const links = from.flatMap((one, place) => [place > 0 ? " + " : "", this.#link(one)]);
    return from.length > 0 ? [...links, " → "] : [];
  }

  #link(node, marked = []) {
    return button(node.id, () => this.onSelect(node, marked), { "aria-label": `Node ${node.id}` });
  }

  #chip(q) {
    const chip = element("span", { class: "chip" }, element("i", { class: "value" }), points(q));
    colour(chip.firstChild, q, this.search.scale);
    return chip;
  }
}

/** The replies that could not be had, and why. */
function failuresOf({ failures }) {
  const items = failures.map(({ rollout, role, code, message }) => element("li", {},
    element("b", {}, rollout ? `Rollout ${rollout}` : "Roots"), ` ${role}, ${code}: `, shorten(message, 300)));
  const title = items.length === 1 ? "1 reply could not be had" : `${count(items.length)} replies could not be had`;
  return items.length > 0 ? [section(title, element("ul", { class: "failures" }, ...items))] : [];
}

/** The mean of a node's rewards by now; null without any. */
function meanNow(node) {
  return node.rewardsNow > 0 ? mean(node.rewards.slice(0, node.rewardsNow)) : null;
}
