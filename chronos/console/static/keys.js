// The keyboard: / searches, g and a letter goes to a page, ? says so.
const links = [...document.querySelectorAll("nav a[data-key]")];
const dialog = document.getElementById("keys");
const rows = [["/", "Search"], ["?", "These keys"], ...links.map((link) => [`g ${link.dataset.key}`, link.textContent])];

for (const [keys, meaning] of rows) {
  const row = dialog.querySelector("tbody").insertRow();
  const key = document.createElement("kbd");
  key.textContent = keys;
  row.insertCell().append(key);
  row.insertCell().textContent = meaning;
}

let going = false;

function typing(target) {
  return target.matches("input, textarea, select, [contenteditable]");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (going) {
    going = false;
    const link = links.find((one) => one.dataset.key === event.key);
    if (link) location.href = link.href;
  } else if (event.key === "g") {
    going = true;
  } else if (event.key === "?") {
    dialog.showModal();
  } else if (event.key === "/") {
    event.preventDefault();
    const field = document.querySelector("input[type=search]");
    if (field) field.focus();
    else location.href = "/search";
  }
});
