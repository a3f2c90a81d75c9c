/* What each call was asked and what it replied, as far as it was kept; and with what it was made. */

const ROLES = { draft: "Draft", critique: "Critique", refine: "Refinement", merge: "Merge", evaluate: "Judge", calibrate: "Judge" };

/** Calls as they are packed (`_pooled` of page_data.py), with their texts. */
function unpackedCalls({ calls = [], texts, nodes }) {
  const textOf = (place) => (typeof place === "number" ? texts[place]
    : nodes[Number(place.slice(1))][place[0] === "a" ? "answer" : "critique"]);
  return calls.map(([rollout, role, sample, attempt, text, asked]) => ({
    rollout, role, sample, attempt, text: textOf(text), asked: asked.map(([who, words]) => [who, textOf(words)]),
  }));
}

/** The calls that made a node, word for word, TeX as it was written, and those that judged it later. Each opens to its prompt and its reply. */
function callsOf(search, node) {
  if (!search.calls?.length) return null;
  const judged = new Set(search.steps.filter(({ rewards }) => node.id in rewards).map(({ index }) => index));
  const calls = search.calls.filter(({ rollout, role }) => rollout === node.rollout
    || (judged.has(rollout) && role === "evaluate"));
  return section(node.rollout === 0 ? "Calls of the first drafts" : "Calls of its rollout, and the judge's later ones",
    ...calls.slice(0, 60).map((call) => callShown(call, node)));
}

function callShown(call, node) {
  const name = `${ROLES[call.role] ?? call.role}${call.sample > 0 ? ` ${call.sample + 1}` : ""}`;
  const later = call.rollout === node.rollout ? "" : ` in rollout ${call.rollout}`;
  const tries = call.attempt > 0 ? `, asked again` : "";
  const body = element("div", {});
  const shown = element("details", { class: "call" },
    element("summary", {}, element("b", {}, name), `${later}${tries}: ${shorten(call.text, 70)}`), body);
  shown.addEventListener("toggle", () => {
    const asked = (call.asked ?? []).map(([who, text]) =>
      element("div", {}, element("h4", {}, who), element("div", { class: "prose critique", dir: "auto" }, text)));
    body.append(...(asked.length ? asked : [note("What it was asked is not kept of this search.")]),
      element("h4", {}, "Reply ", copier("the reply", call.text)), element("div", { class: "prose", dir: "auto" }, call.text));
  }, { once: true });
  return shown;
}

/** Fill the drawer: model, settings, versions, date. */
function showAbout(search) {
  const rowsOf = (told) => (told ?? []).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", { dir: "auto" }, value)));
  const [given, defaults] = [rowsOf(search.about), rowsOf(search.defaults)];
  fill("about-list", ...given);
  fill("about-defaults", ...defaults);
  byId("about-default").hidden = defaults.length === 0;
  byId("about-note").textContent = given.length === 0 ? "Nothing of this is known."
    : defaults.length === 0 ? "Settings that are not named were the defaults of the profile in that version." : "";
}
