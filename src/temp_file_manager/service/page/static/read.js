// Asking the service.

const PATIENCE = 15000;

export class Stranger extends Error {}

export class Refusal extends Error {}

/** Answer the JSON at a path; raises Stranger when a token is wanted, and Refusal with what the service says. */
export async function read(path, { evenIf = 200 } = {}) {
  const signal = AbortSignal.timeout(PATIENCE);
  const answer = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store", signal });
  if (answer.status === 401) throw new Stranger();
  if (!answer.ok && answer.status !== evenIf) throw new Refusal(await refusal(answer));
  return answer.json();
}

/** Have something done, which takes the token itself; raises as `read` does. */
export async function change(path, asked, token) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(token)); // a header holds bytes
  const headers = { Authorization: `Bearer ${bytes}`, "Content-Type": "application/json" };
  const signal = AbortSignal.timeout(PATIENCE);
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(asked), signal });
  if (answer.status === 401) throw new Stranger();
  if (!answer.ok) throw new Refusal(await refusal(answer));
}

export async function refusal(answer) {
  const told = await answer.json().catch(() => ({}));
  return told.detail ?? `the service answers ${answer.status}`;
}
