// The few things that are done to elements. Text only ever goes in as text: names are strangers' words.

import { exact, iso, relative } from "./format.js";

export const one = (selector, within = document) => within.querySelector(selector);

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Untouched when it says so already: a screen reader would read it again, and a selection would go. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/**
 * Give a table one body for each item, in their order. Bodies stay the same elements for the same key, so that focus
 * and what is folded open survive.
 */
export function keyed(table, items, key, create, update) {
  const former = new Map([...table.tBodies].map((body) => [body.dataset.key, body]));
  const wanted = new Set(items.map(key));
  // First, or those that stay would be moved before them, which takes their focus.
  for (const [name, body] of former) if (!wanted.has(name)) body.remove();
  let before = table.tBodies[0] ?? null;
  for (const item of items) {
    const body = former.get(key(item)) ?? create(item);
    body.dataset.key = key(item);
    update(body, item);
    if (body === before) before = body.nextElementSibling;
    else table.insertBefore(body, before);
  }
}

/** A row, and one below it that a button in the first folds open. */
export function folding(button, row, columns) {
  const cell = make("td", { colspan: columns });
  const more = make("tr", { class: "more", hidden: "" }, cell);
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    more.hidden = !more.hidden;
    button.setAttribute("aria-expanded", String(!more.hidden));
  });
  return { body: make("tbody", {}, row, more), cell };
}

// -- times that go on

let ahead = 0;

/** The server's clock counts, whatever this machine's says. */
export function setClock(at) {
  ahead = at - Date.now() / 1000;
}

export const now = () => Date.now() / 1000 + ahead;

const shown = new WeakMap();

/** Make a time element say how far away a moment is, from now on; `words` gets that as text and in seconds. */
export function since(element, at, words = (text) => text) {
  shown.set(element, { at, words });
  mark(element, "datetime", iso(at));
  mark(element, "title", exact(at));
  element.classList.add("since");
  goOn(element);
}

function goOn(element) {
  const { at, words } = shown.get(element);
  const asof = now();
  say(element, words(relative(at, asof), at - asof));
}

export const keepTime = () => setInterval(() => document.querySelectorAll(".since").forEach(goOn), 1000);
