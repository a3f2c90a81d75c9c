/* The head of the page: the problem, the verdict, and the chart over the slider. */

function showHead(search) {
  const best = search.bestNow();
  const says = search.verdict?.says ?? {};
  const title = `${plainProblem(search.problem)} – MCTSr`;
  document.title = title;
  byId("title").textContent = title;
  showText(byId("problem"), search.problem);
  fill("copy-problem", copier("the problem", search.problem));
  if (best?.final_answer !== undefined && best !== null) {
    showAnswer(byId("found"), best.final_answer);
    fill("copy-answer", copier("the final answer", best.final_answer));
  } else {
    byId("found").replaceChildren(best ? "none stated" : "no answer");
    fill("copy-answer");
  }
  fill("found-letter", ...(best ? [letter(best.rank)] : []));
  byId("likely").textContent = onPage(says.likely ?? "", search.verdict);
  fill("says", ...Object.entries(says).filter(([name]) => name !== "likely")
    .map(([name, words]) => element("span", { class: `said-${name}${name === "stopped" && search.stop_reason === "failed" ? " failed" : ""}` }, `${onPage(words, search.verdict)} `)));
  showChances(search);
  showAbout(search);
  for (const all of document.querySelectorAll(".all")) clamp(all);
}

/** A sentence of the verdict with its answers in plain words instead of TeX, a true minus, and no unit on a line of its own. */
function onPage(words, { answer, runner_up: next, first }) {
  const answers = [answer, next, first].filter((one) => one && one.length < 200);
  return answers.reduce((told, one) => told.replaceAll(one, plain(one)), words).replace(/(?<![\w-])-(?=\d)/g, "−")
    .replace(/`(\w+)`/g, "$1").replace(/(\d) (?=(?:%|s)(?!\w))/g, "$1\u00a0");
}

function plainProblem(problem) {
  return shorten(problem.replace(/\\[()[\]]|\$/g, ""), 60);
}

/** A bar cut by the chances of the answers. */
function showChances(search) {
  const classes = (search.classes ?? []).filter(({ chance }) => chance !== null);
  const place = byId("chances");
  place.hidden = classes.length === 0;
  const parts = classes.slice(0, 8).map(({ nodes, chance }) => {
    const part = element("i", { "data-class": classMark(search.nodes.find(({ id }) => id === nodes[0])?.rank ?? null) });
    part.style.setProperty("--share", Math.max(chance, 0.004));
    return part;
  });
  const rest = 1 - classes.slice(0, 8).reduce((sum, { chance }) => sum + chance, 0);
  const none = element("i", { class: "unjudged", title: "an answer that was not found" });
  none.style.setProperty("--share", Math.max(0, rest));
  place.replaceChildren(...parts, ...(rest > 0.005 ? [none] : []));
  place.setAttribute("aria-label", `Chances: ${classes.slice(0, 8).map(({ final_answer: answer, chance }) =>
    `${plain(answer)} ${percent(chance)}`).join(", ")}`);
}

const LITTLE = 40; // pixels: so little more of a text is shown at once

/** Offer the whole of a text that has been cut at a line. */
function clamp(all) {
  const text = byId(all.dataset.of);
  text.classList.add("clamped");
  all.hidden = text.scrollHeight <= text.clientHeight + LITTLE;
  if (all.hidden) text.classList.remove("clamped");
  all.onclick = () => {
    const isCut = text.classList.toggle("clamped");
    all.textContent = isCut ? "Show all of it" : "Show less";
  };
}

/** The chance of the answer after each rollout (its q where no chance is known), over a band of who led. */
function drawChart(search) {
  const { history, last, scale } = search;
  const isChance = history.some(({ chance }) => typeof chance === "number");
  const x = (at) => (1000 * at) / Math.max(1, last);
  const y = (share) => 98 - 96 * share;
  const shares = history.map(({ chance, bestQ }) => (isChance ? chance ?? null : bestQ === null ? null : onScale(bestQ, scale)));
  if (isChance) shares[last] ??= search.verdict?.chance ?? null; // only the end of a large tree is weighed
  const line = shares.map((share, at) => (share === null ? null : `${x(at)} ${y(share)}`));
  byId("line").setAttribute("d", line.map((point, at) => (point === null ? "" : line[at - 1] ? `L${point}` : `M${point}h0`)).join(""));
  byId("grid").setAttribute("d", [0, 0.5, 1].map((share) => `M0 ${y(share)}H1000`).join(""));
  const [low, high] = isChance ? ["0 %", "100 %"] : scale.map(signed);
  for (const [end, words] of Object.entries({ high, name: isChance ? "chance" : "q", low })) byId(`axis-${end}`).textContent = words;
  document.querySelector(".chart").setAttribute("aria-label", isChance
    ? `Chance of the answer after each rollout, ${percent(shares.at(-1))} at the end` : "q of the answer after each rollout");
  const turns = turningPoints(search);
  fill("band", ...turns.map(({ at, until, best }) => {
    const part = element("i", { "data-class": classMark(best.rank), title: `${letterOf(best.rank)} from here` });
    const end = Math.min(until, last + 1);
    part.style.left = `min(${x(at) / 10}%, 100% - 5px)`;
    part.style.width = `${(x(Math.min(end, last)) - x(at)) / 10}%`;
    if (end - at > last / 14) part.textContent = letterOf(best.rank);
    return part;
  }));
}
