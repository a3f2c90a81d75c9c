"use strict";

/* Finding problems, and opening their trees. Texts are only ever put in place as text. */

const dialog = document.querySelector("dialog");
const frame = dialog.querySelector("iframe");

async function unpack(id) {
  const packed = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function openTree(button) {
  const [viewer, data] = await Promise.all([unpack("viewer"), unpack(`tree-${button.dataset.tree}`)]);
  dialog.querySelector(".gold").textContent = button.dataset.gold;
  dialog.querySelector("h2").textContent = button.dataset.name;
  dialog.showModal(); // first, as the viewer fits its drawing to the frame
  // The data have no "<", so they cannot leave the element that they are put into
  frame.srcdoc = viewer.replace("<!-- data -->", () => data);
}

function filter(run) {
  const words = run.querySelector(".filter input").value.toLowerCase();
  const kind = run.querySelector(".filter select").value;
  const all = run.querySelectorAll(".problem");
  let shown = 0;
  for (const problem of all) {
    const fits = (!kind || problem.dataset.kinds.split(" ").includes(kind))
      && problem.querySelector("summary").textContent.toLowerCase().includes(words);
    problem.hidden = !fits;
    shown += fits;
  }
  run.querySelector(".filter output").textContent = `${shown} of ${all.length}`;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-tree]");
  if (button) openTree(button);
});
// Keys that are pressed inside the frame stay there; its page says when Escape was one of them
window.addEventListener("message", (event) => {
  if (event.source === frame.contentWindow && event.data === "mctsr.escape") dialog.close();
});
const opened = [];
window.addEventListener("beforeprint", () => {
  for (const table of document.querySelectorAll("details.table:not([open])")) {
    table.open = true;
    opened.push(table);
  }
});
window.addEventListener("afterprint", () => opened.splice(0).forEach((table) => { table.open = false; }));
dialog.querySelector("button").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => frame.removeAttribute("srcdoc"));
for (const run of document.querySelectorAll(".run")) {
  run.querySelector(".filter").addEventListener("input", () => filter(run));
  filter(run);
}
document.documentElement.dataset.ready = "";
