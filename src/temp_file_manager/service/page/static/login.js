// Who looks from elsewhere shows the token once; the service gives a cookie for it that page scripts never see.

import { one, say } from "./dom.js";
import { refusal } from "./read.js";

const REMEMBERED = "temp-file-manager: signed in"; // for every tab, as the cookie is

/** Show the form, and call `welcome` once the token was right. */
export function askForToken(welcome) {
  const form = one("#login");
  const field = one("#token");
  form.hidden = false;
  field.focus();
  localStorage.removeItem(REMEMBERED);
  one("#sign-out").hidden = true;
  form.onsubmit = async (event) => {
    event.preventDefault();
    const button = one("button", form);
    button.disabled = true;
    const refused = await signIn(field.value).catch(() => "The service does not answer: try again.");
    button.disabled = false;
    say(one("#refusal"), refused);
    field.setAttribute("aria-invalid", String(refused !== ""));
    if (refused) {
      field.select();
      return;
    }
    field.value = "";
    form.hidden = true;
    localStorage.setItem(REMEMBERED, "yes");
    welcome();
  };
}

async function signIn(token) {
  const answer = await fetch("login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  if (answer.ok) return "";
  if (answer.status === 401) return "This is not the token.";
  return `This did not work: ${await refusal(answer)}.`;
}

/** Show the button for who signed in here. */
export function offerToSignOut() {
  const button = one("#sign-out");
  button.hidden = !localStorage.getItem(REMEMBERED);
  button.onclick = async () => {
    const answer = await fetch("login", { method: "DELETE" }).catch(() => null);
    if (!answer?.ok) return;
    localStorage.removeItem(REMEMBERED);
    location.reload();
  };
}
