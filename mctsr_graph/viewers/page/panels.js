/* What stands beside the tree: the node that is looked at, and the tables. */

/** Make an element. Text among its children stays text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Colour an element by q: 0 at the least q of the tree, 1 at the highest. */
function colour(target, q, [least, most]) {
  const t = most > least ? Math.max(0, Math.min(1, (q - least) / (most - least))) : 0.5;
  target.style.setProperty("--t", q === null ? 0.5 : t.toFixed(3));
}

function points(value) {
  return value === null || !Number.isFinite(value) ? "–" : signed(value.toFixed(1));
}

function signed(number) {
  return String(number).replace("-", "−");
}

function count(value) {
  return value.toLocaleString("en");
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

function said(node) {
  if (node.final_answer === undefined) return element("span", { class: "muted" }, "none stated");
  return texted("span", { class: "said" }, shorten(node.final_answer, 120), showAnswer);
}

/** The ids of what a node was made from, and an arrow. */
function madeFrom(node) {
  const ids = node.merges.length > 0 ? node.merges.map((other) => other.id) : node.up ? [node.up.id] : [];
  return ids.length > 0 ? `${ids.join(" + ")} → ` : "";
}

class Panels {
  constructor(search, { onSelect, onSeek }) {
    this.search = search;
    this.onSelect = onSelect;
    this.onSeek = onSeek;
  }

  /** All about one node. */
  node(node) {
    const panel = document.getElementById("node");
    if (node === null) return panel.replaceChildren(note("Choose a node of the tree."));
    const rewards = node.rewards.slice(0, node.rewardsNow);
    const figures = [["q", points(node.qNow)], ["mean", points(mean(rewards))],
      ["visits", rewards.length], ["depth", node.depth], ["rollout", node.rollout || "root"]];
    panel.replaceChildren(
      element("h2", {}, `Node ${node.id}`, ...this.#badges(node)),
      element("dl", { class: "figures" }, ...figures.map(([name, value]) =>
        element("div", {}, element("dt", {}, name), element("dd", {}, String(value))))),
      this.#rewards(rewards),
      this.#family(node),
      section("Final answer", element("div", { class: "final" }, said(node))),
      section("Answer", texted("div", { class: "prose" }, node.answer)),
      ...(node.critique === undefined ? [] : [section(
        `Critique of node ${node.parent} that led to it`,
        texted("div", { class: "prose critique" }, node.critique))]),
      ...(node.steering ? [section("Done by people", element("ul", {}, ...node.steering.map(
        ({ action, by, at }) => element("li", {}, shorten(`${action}: ${by}, ${at}`, 200)))))] : []),
    );
    panel.scrollTop = 0;
  }

  /** The rollouts up to now, the latest first. */
  rollouts() {
    const { history, now } = this.search;
    const failures = Map.groupBy(this.search.failures, (failure) => failure.rollout);
    const rows = history.slice(0, now + 1).map((entry, rollout) => {
      const { node } = entry;
      const go = button(rollout === 0 ? "roots" : `${rollout}`, () => this.onSeek(rollout));
      go.setAttribute("aria-label", `Show the search after rollout ${rollout}`);
      if (node === null) {
        const why = (failures.get(rollout) ?? []).map((f) => `${f.role}: ${f.code}`).join(", ");
        const cell = element("td", { colspan: 4, class: "muted" }, why || "no new node");
        return element("tr", { class: "failed" }, element("th", { scope: "row" }, go), cell);
      }
      const best = entry.best === node ? "★ " : "";
      return element("tr", { class: rollout === now ? "now" : null },
        element("th", { scope: "row" }, go),
        element("td", { class: "step" }, madeFrom(node), this.#link(node)),
        element("td", {}, said(node)),
        element("td", { class: "number" }, this.#chip(entry.q)),
        element("td", { class: "number" }, `${best}${points(entry.bestQ)}`));
    });
    const head = ["#", "node", "answer", "q then", "best q"];
    fill("rollouts", table(head, rows.reverse(), [3, 4]), note("q then: of the new node, when it "
      + "was made. ★: it was the best then."));
  }

  /** The classes of equal answers up to now, with their votes. */
  answers() {
    const classes = this.search.answersNow();
    const votesOf = (nodes) => nodes.filter((node) => node.repeats === undefined).length;
    const voters = classes.reduce((sum, [key, nodes]) => sum + (key < 0 ? 0 : votesOf(nodes)), 0);
    const rows = classes.map(([key, nodes]) => {
      const votes = key < 0 ? element("span", { class: "muted" }, `(${nodes.length})`)
        : bar(votesOf(nodes), voters);
      const rewards = nodes.flatMap((node) => node.rewards.slice(0, node.rewardsNow));
      return element("tr", { class: nodes.includes(this.search.bestNow()) ? "now" : null },
        element("th", { scope: "row" }, said(nodes[0])),
        element("td", {}, votes),
        element("td", { class: "number" }, this.#chip(nodes[0].qNow)),
        element("td", { class: "number" }, points(mean(rewards))),
        element("td", {}, this.#link(nodes[0], nodes)));
    });
    const head = ["answer", "votes", "best q", "mean", "node"];
    fill("answers", table(head, rows, [2, 3]), note("A vote is a node that states the answer, if its reply is no copy of another's; "
      + "answers that are plainly equal, such as 0.5 and 1/2, are one. The mean is that of all their rewards."));
  }

  /** Calls, tokens and money by role, and what could not be had. */
  cost() {
    const roles = Object.entries(this.search.usage);
    const of = (cost, key) => cost[key] ?? 0;
    const sums = (key) => roles.reduce((sum, [, cost]) => sum + of(cost, key), 0);
    const keys = ["calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens"];
    const price = (known, unknown) => unknown ? "unknown"
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
    const failures = this.search.failures.map((failure) => element("li", {},
      element("b", {}, failure.rollout ? `Rollout ${failure.rollout}` : "Roots"),
      ` ${failure.role}, ${failure.code}: `, shorten(failure.message, 300)));
    fill("cost",
      table(["role", "calls", "tokens in", "cached", "tokens out", "thinking", "price"], rows,
        [1, 2, 3, 4, 5, 6]),
      ...(unmetered ? [note(`The tokens of ${count(unmetered)} calls are not known.`)] : []),
      ...(failures.length ? [section(`${count(failures.length)} replies could not be had`,
        element("ul", { class: "failures" }, ...failures))] : []));
  }

  #badges(node) {
    const badges = [];
    if (node === this.search.bestNow()) badges.push(["best", "★ best"]);
    if (node.dummy) badges.push(["", "dummy"]);
    if (node.pruned) badges.push(["warn", "pruned"]);
    if (node.pinned) badges.push(["", "pinned"]);
    if (node.truncated) badges.push(["warn", "cut off"]);
    if (node.suspicious) badges.push(["warn", "suspicious"]);
    if (node.duplicate_of !== undefined) badges.push(["", `same text as ${node.duplicate_of}`]);
    return badges.map(([kind, text]) => element("span", { class: `badge ${kind}` }, text));
  }

  #rewards(rewards) {
    const [lowest, highest] = this.search.scale;
    const marks = rewards.map((reward) => {
      const mark = element("i", {});
      mark.style.left = `${Math.max(0, Math.min(100, (100 * (reward - lowest)) / (highest - lowest)))}%`;
      return mark;
    });
    const list = rewards.map((reward) => signed(Math.round(reward * 100) / 100)).join(", ");
    return element("div", { class: "rewards" },
      element("div", { class: "axis", role: "img", "aria-label": `Rewards: ${list}` }, ...marks),
      element("div", { class: "ends" }, element("span", {}, signed(lowest)),
        element("span", {}, `${rewards.length === 1 ? "reward" : "rewards"} ${list}`),
        element("span", {}, signed(highest))));
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

  #link(node, marked = []) {
    const link = button(node.id, () => this.onSelect(node, marked));
    link.setAttribute("aria-label", `Node ${node.id}`);
    return link;
  }

  #chip(q) {
    const chip = element("span", { class: "chip" }, points(q));
    colour(chip, q, this.search.range);
    return chip;
  }
}

function button(text, onClick) {
  const made = element("button", { type: "button", class: "link" }, text);
  made.addEventListener("click", onClick);
  return made;
}

function bar(value, total) {
  const made = element("span", { class: "bar" }, count(value));
  made.style.setProperty("--share", total > 0 ? value / total : 0);
  return made;
}

function note(text) {
  return element("p", { class: "muted note" }, text);
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

function fill(id, ...children) {
  document.getElementById(id).replaceChildren(...children);
}

function table(head, rows, numbers = []) {
  const cells = head.map((text, place) =>
    element("th", { scope: "col", class: numbers.includes(place) ? "number" : null }, text));
  return element("div", { class: "scroll" }, element("table", {},
    element("thead", {}, element("tr", {}, ...cells)), element("tbody", {}, ...rows)));
}
