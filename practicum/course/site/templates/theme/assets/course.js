// What is for the visitor's own computer comes first. Everything stays on the page, and without JavaScript in its order.

// Returns "amd64", "arm64" or "phone"; "" for a computer that cannot be told.
async function tellComputer() {
  const agent = navigator.userAgent;
  // An iPad calls itself a Mac, but has a screen to touch.
  if (/Android|iPhone|iPod|Mobile/.test(agent) || (/Macintosh/.test(agent) && navigator.maxTouchPoints > 1)) return "phone";
  try {
    const told = await navigator.userAgentData.getHighEntropyValues(["architecture"]);
    if (told.architecture) return told.architecture === "arm" ? "arm64" : "amd64";
  } catch {
    // Firefox and Safari do not answer, nor does any browser on a page that came over plain http.
  }
  if (/aarch64|arm64/i.test(agent)) return "arm64";
  // Every Mac calls itself one with an Intel processor. Those since the end of 2020 have Apple Silicon.
  if (/Macintosh/.test(agent)) return isIntelMac() ? "amd64" : "arm64";
  return /Windows|Linux|X11/.test(agent) ? "amd64" : "";
}

// Tells whether the graphics of a Mac are those of an Intel Mac; Safari hides it.
function isIntelMac() {
  const context = document.createElement("canvas").getContext("webgl");
  const named = context && context.getExtension("WEBGL_debug_renderer_info");
  return Boolean(named) && /Intel|AMD|Radeon|NVIDIA/.test(context.getParameter(named.UNMASKED_RENDERER_WEBGL));
}

function showFirst(list, offer) {
  const badge = document.createElement("p");
  badge.className = "badge";
  badge.textContent = "For this computer";
  offer.classList.add("yours");
  offer.prepend(badge);
  list.prepend(offer);
}

async function choose() {
  const lists = document.querySelectorAll("[data-choose]");
  if (!lists.length) return;
  const computer = await tellComputer();
  for (const note of document.querySelectorAll("[data-phone]")) note.hidden = computer !== "phone";
  for (const list of lists) {
    // Where the release has no machine for this computer, a container may run.
    const offer = list.querySelector(`[data-for="${computer}"]`) || (computer.endsWith("64") && list.querySelector('[data-for="docker"]'));
    if (offer) showFirst(list, offer);
  }
  document.documentElement.dataset.computer = computer;
}

choose();

// Copies the text of a box of commands.
function addCopyButton(box) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(box.querySelector("pre").innerText);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  box.append(button);
}

// Only pages from https: or this computer may write to the clipboard.
if (navigator.clipboard) for (const box of document.querySelectorAll(".highlight")) addCopyButton(box);

for (const button of document.querySelectorAll("[data-toggle]")) {
  button.addEventListener("click", () => document.getElementById(button.dataset.toggle).click());
}
