// The search. It reads its index, which is a script so that it also works from a disk, when it is first used.
const RESULTS_MAX = 12;
const box = document.getElementById("search");
const input = box.querySelector("input");
const list = box.querySelector("[role=listbox]");
const status = box.querySelector("[role=status]");
const root = document.documentElement.dataset.root;
let index;
let selected = -1;

box.hidden = false;

/** Loads the index, once. */
function load() {
  index ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${root}search_index.js`;
    script.onload = () =>
      resolve(
        globalThis.WALLOG_SEARCH.map((section) => ({ section, lower: section.map((part) => part.toLowerCase()) })),
      );
    script.onerror = reject;
    document.head.append(script);
  });
  return index;
}

/** How well a section fits the words: 0 if one of them is missing. */
function score({ section: [address], lower: [, title, heading, text] }, words) {
  let sum = 0;
  for (const word of words) {
    const inHeading = heading === word ? 60 : heading.startsWith(word) ? 30 : heading.includes(word) ? 18 : 0;
    const inTitle = title.includes(word) ? (heading === "" ? 25 : 4) : 0;
    const inText = Math.min(4, text.split(word).length - 1);
    if (inHeading + inTitle + inText === 0) return 0;
    sum += inHeading + inTitle + inText;
  }
  if (text.includes(words.join(" "))) sum += 6;
  // Pages come before the symbols of the API, and a symbol before its members. The history comes last.
  if (address.startsWith("changelog")) return sum / 4;
  if (!address.startsWith("api/")) return sum * 2;
  return heading.includes(".") ? sum / 2 : sum;
}

/** Text with the words marked. */
function marked(text, words) {
  const pattern = new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "gi");
  const parts = document.createDocumentFragment();
  let end = 0;
  for (const { 0: found, index: at } of text.matchAll(pattern)) {
    const mark = document.createElement("mark");
    mark.textContent = found;
    parts.append(text.slice(end, at), mark);
    end = at + found.length;
  }
  parts.append(text.slice(end));
  return parts;
}

/** The part of a text around the first word. */
function excerpt(text, words) {
  const lower = text.toLowerCase();
  const phrase = lower.indexOf(words.join(" "));
  const place = phrase >= 0 ? phrase : Math.min(...words.map((word) => lower.indexOf(word)).filter((at) => at >= 0));
  const start = place > 60 && place < Infinity ? lower.indexOf(" ", place - 50) + 1 : 0;
  return (start > 0 ? "… " : "") + text.slice(start, start + 150);
}

function element(name, className, ...content) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}

function option([address, title, heading, text], words, at) {
  const link = element("a", "", element("span", "where", title));
  if (heading !== "") link.append(element("span", "heading", marked(heading, words)));
  link.append(element("span", "text", marked(excerpt(text, words), words)));
  link.href = root + address;
  link.tabIndex = -1;
  const item = element("li", "", link);
  item.id = `result-${at}`;
  item.setAttribute("role", "option");
  return item;
}

async function search() {
  const words = input.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return close();
  let sections;
  try {
    sections = await load();
  } catch {
    status.textContent = "The index cannot be loaded.";
    return;
  }
  const found = sections.map((entry) => [score(entry, words), entry.section]).filter(([points]) => points > 0)
    .sort(([one], [other]) => other - one).slice(0, RESULTS_MAX);
  list.replaceChildren(...found.map(([, section], at) => option(section, words, at)));
  status.textContent = found.length === 0 ? "Nothing found." : "";
  list.hidden = found.length === 0;
  box.dataset.open = "";
  input.setAttribute("aria-expanded", String(found.length > 0));
  select(found.length > 0 ? 0 : -1);
}

function select(at) {
  selected = at;
  for (const [place, item] of [...list.children].entries()) item.setAttribute("aria-selected", String(place === at));
  if (at < 0) input.removeAttribute("aria-activedescendant");
  else input.setAttribute("aria-activedescendant", `result-${at}`);
  list.children[at]?.scrollIntoView({ block: "nearest" });
}

function close() {
  list.replaceChildren();
  list.hidden = true;
  status.textContent = "";
  delete box.dataset.open;
  input.setAttribute("aria-expanded", "false");
  select(-1);
}

input.addEventListener("focus", () => load().catch(() => {}));
input.addEventListener("input", search);
input.addEventListener("keydown", (event) => {
  const count = list.children.length;
  if (event.key === "Escape") {
    input.value = "";
    close();
    input.blur();
  } else if (count > 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    select((selected + (event.key === "ArrowDown" ? 1 : count - 1)) % count);
  } else if (event.key === "Enter") {
    event.preventDefault();
    list.children[selected]?.querySelector("a").click();
  }
});
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(input|textarea|select)$/i.test(event.target.tagName ?? "")) return;
  event.preventDefault();
  input.focus();
});
addEventListener("click", (event) => {
  if (!box.contains(event.target)) close();
  // A result on the same page does not load a page.
  else if (event.target.closest("a") !== null) setTimeout(close);
});
