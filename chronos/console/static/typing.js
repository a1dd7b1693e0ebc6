// Search as one types: the form is sent a moment after the last key, and its answer exchanged in place.
const PAUSE = 250; // ms after the last key
const form = document.querySelector("form[data-typing]");

if (form) {
  const answers = document.getElementById(form.dataset.typing);
  let waiting = null;
  let asked = 0;

  async function ask() {
    const mine = ++asked;
    const url = `${form.action}?${new URLSearchParams(new FormData(form))}`;
    const answer = await fetch(url);
    if (!answer.ok || mine !== asked) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    answers.replaceChildren(...fresh.getElementById(answers.id).childNodes);
    history.replaceState(null, "", url);
  }

  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, PAUSE);
  });
}
