/* What each call was asked and what it replied, as far as it was kept; and with what it was made. */

const ROLES = { draft: "Draft", critique: "Critique", refine: "Refinement", merge: "Merge", evaluate: "Judge", calibrate: "Judge" };

/** The calls of a rollout, folded: each opens to its prompt and its reply. */
function callsOf(search, rollout) {
  const calls = (search.calls ?? []).filter((call) => call.rollout === rollout);
  if (calls.length === 0) return null;
  return section(rollout === 0 ? "Calls of the first drafts" : `Calls of rollout ${rollout}`,
    ...calls.slice(0, 60).map((call) => callShown(call)));
}

function callShown(call) {
  const name = `${ROLES[call.role] ?? call.role}${call.sample > 0 ? ` ${call.sample + 1}` : ""}`;
  const tries = call.attempt > 0 ? `, asked ${call.attempt + 1} times` : "";
  const body = element("div", {});
  const shown = element("details", { class: "call" },
    element("summary", {}, element("b", {}, name), ` ${shorten(call.text, 60)}${tries}`), body);
  shown.addEventListener("toggle", () => {
    const asked = (call.asked ?? []).map(([who, text]) =>
      element("div", {}, element("h4", {}, who), texted("div", { class: "prose critique" }, text)));
    body.append(...(asked.length ? asked : [note("What it was asked is not kept of this search.")]),
      element("h4", {}, "Reply ", copier("the reply", call.text)), texted("div", { class: "prose" }, call.text));
  }, { once: true });
  return shown;
}

/** Fill the drawer: model, settings, versions, date. */
function showAbout(search) {
  const rows = (search.about ?? []).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", { dir: "auto" }, value)));
  fill("about-list", ...(rows.length ? rows : [note("Nothing of this is known.")]));
}
