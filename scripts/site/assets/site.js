// Copy buttons, and the place of the reader in the list of headings. Pages work without it.

/** The text to copy: of a console, only the commands. */
function textToCopy(block) {
  const commands = [...block.querySelectorAll(".command")].map((command) => command.textContent);
  return commands.length > 0 ? commands.join("\n") : block.querySelector("code").textContent;
}

for (const block of document.querySelectorAll(".code")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(textToCopy(block));
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => button.textContent = "Copy", 1500);
  });
  block.append(button);
}

const links = new Map(
  [...document.querySelectorAll("#toc a")].map((link) => [decodeURIComponent(link.hash.slice(1)), link]),
);
const headings = [...links.keys()].map((id) => document.getElementById(id));

/** Marks the last heading above the middle of the window. */
function markHeading() {
  const above = headings.filter((heading) => heading.getBoundingClientRect().top < innerHeight / 3);
  const current = (above.at(-1) ?? headings[0])?.id;
  for (const [id, link] of links) link.toggleAttribute("data-current", id === current);
  const list = document.getElementById("toc");
  const link = links.get(current);
  if (list === null || link === undefined || list.matches(":popover-open")) return;
  const { top, bottom } = link.getBoundingClientRect();
  const frame = list.getBoundingClientRect();
  if (top < frame.top || bottom > frame.bottom) list.scrollTop += top - frame.top - frame.height / 2;
}

let isWaiting = false;
addEventListener("scroll", () => {
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    markHeading();
  });
}, { passive: true });
markHeading();

// A heading that was chosen on a phone closes the list.
for (const link of links.values()) {
  link.addEventListener("click", () => {
    const list = document.getElementById("toc");
    if (list.matches(":popover-open")) list.hidePopover();
  });
}
document.querySelector("#nav [aria-current]")?.scrollIntoView({ block: "nearest" });
