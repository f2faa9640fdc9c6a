// Runs before the page is drawn: shows it in the colours that the reader chose, or else in those of the system.
const THEME = "wallog-theme";
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

/** The reader's choice: "light", "dark", or nothing. A browser may refuse to store one. */
function chosenTheme() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

function showTheme() {
  const theme = chosenTheme() ?? (systemIsDark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = theme;
  document.documentElement.classList.toggle("dark", theme === "dark");
  const icons = document.getElementById("theme-toggle")?.children ?? [];
  for (const [at, icon] of [...icons].entries()) icon.classList.toggle("hidden", (at === 0) === (theme === "dark"));
}

showTheme();
systemIsDark.addEventListener("change", showTheme);
addEventListener("storage", showTheme);
addEventListener("DOMContentLoaded", () => {
  const toggle = document.getElementById("theme-toggle");
  toggle.removeAttribute("style");
  toggle.hidden = false;
  showTheme();
  toggle.addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(THEME, theme);
    } catch {
      // The choice holds for no other page then, and not for this one either.
    }
    showTheme();
  });
});
