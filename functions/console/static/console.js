// Times in the viewer's own zone, and a few keys. All else works without.
(() => {
  "use strict";
  const format = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"});
  const localize = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) {
        time.title = time.textContent;
        time.textContent = format.format(at);
      }
    }
  };
  // On a phone a card of a long list begins with the little that tells it from the others.
  const unfolding = (row) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain more";
    const show = (whole) => {
      row.classList.toggle("whole", whole);
      button.setAttribute("aria-expanded", whole);
      button.textContent = whole ? "Less" : "More";
      button.setAttribute("aria-label", button.textContent + " of " + row.querySelector("th a")?.textContent);
    };
    button.addEventListener("click", () => show(!row.classList.contains("whole")));
    show(false);
    row.querySelector("th").append(button);
  };
  // On a phone each row of a table is a card, in which every cell says what its column is.
  const label = (root) => {
    for (const table of root.querySelectorAll("table:not(.labelled)")) {
      const heads = [...table.querySelectorAll("thead th")].map((head) => head.firstChild?.textContent.replace(/[↑↓].*/, "").trim());
      for (const row of table.querySelectorAll("tbody tr")) {
        [...row.children].forEach((cell, index) => { cell.dataset.label = heads[index] ?? ""; });
        if (row.querySelector("[data-more]")) unfolding(row);
      }
      table.classList.add("labelled");
    }
  };
  const ready = (root) => { localize(root); label(root); };
  ready(document);
  document.addEventListener("htmx:load", (event) => ready(event.detail.elt));
  // A field is wrong as long as something is said of it.
  document.addEventListener("htmx:afterSettle", () => {
    for (const said of document.querySelectorAll(".error[role=status]")) {
      const field = document.querySelector(`[aria-describedby~="${said.id}"]`);
      if (said.textContent.trim()) field?.setAttribute("aria-invalid", "true");
      else field?.removeAttribute("aria-invalid");
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    if (event.key === "/") {
      event.preventDefault();
      document.getElementById("find")?.focus();
    } else if (event.key === "n") {
      document.querySelector("a[rel=next]")?.click();
    }
  });
  // A second click would send the same request again; the first is on its way.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    // Whoever stopped waiting may ask again: what moves money or cards has a key in its form, which makes it the same request.
    setTimeout(() => delete form.dataset.sent, 5000);
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
  // Days are the viewer's own, where the clock may be changed between two of them: each says how far ahead of UTC it begins or ends.
  const days = document.querySelectorAll("[data-day]");
  const own = (part) => {
    const hint = part.querySelector(".hint");
    if (hint) hint.textContent = "days in your time zone";
  };
  for (const part of days) {
    const [day, ahead] = part.querySelectorAll("input");
    if (!day.value) own(part);
    day.addEventListener("input", () => {
      const [year, month, date] = day.value.split("-").map(Number);
      const midnight = new Date(year, month - 1, date + (part.dataset.day === "to" ? 1 : 0));
      ahead.value = day.value ? -midnight.getTimezoneOffset() : "";
      own(part);
    });
  }
  // What is too large is not sent at all.
  for (const input of document.querySelectorAll("input[type=file][data-most]")) {
    input.addEventListener("change", () => {
      const large = [...input.files].some((file) => file.size > Number(input.dataset.most));
      input.setCustomValidity(large ? "This file is too large: it may have 4 MB. Cut it in two, or send it to the API, which takes 5 MB." : "");
      input.reportValidity();
    });
  }
  // What was refused, or is to be confirmed, comes into view: with its first wrong field, or by itself where none is.
  const refused = document.querySelector("form [aria-invalid=true]") ?? document.querySelector(".refused[tabindex], .beside[tabindex]");
  if (refused) {
    // Without a script the browser goes to the form; its going there would take the focus away again.
    history.replaceState(history.state, "", location.pathname + location.search);
    refused.scrollIntoView({block: "center"});
    refused.focus();
  }
})();
