// users.mjs: several users at their pages, each in a browser of their own, who do
// what they are told: a line of JSON {user, do, …} each, answered by {user} or
// {user, error} when it is done. Run by test/vm, over real machines.
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { browse, connected, until, watched } from './browser.mjs';
import { answered, look, typed } from './shell.mjs';

const users = new Map();

const can = {
  // come starts the user's browser; open opens an address in a new window of it.
  async come(user) { users.set(user, { browser: await browse() }); },
  async open(user, { address }) {
    await can.visit(user, { address });
    await connected(users.get(user).page);
  },
  // visit is open for a screen that may not be there yet.
  async visit(user, { address }) {
    const u = users.get(user);
    await u.page?.close();
    u.page = await watched(u.browser);
    const res = await u.page.goto(address);
    if (res.status() !== 200) throw new Error(`the page: ${res.status()}: ${await u.page.locator('main').innerText()}`);
  },
  // shell waits until the guest's shell answers.
  async shell(user) { await answered(users.get(user).page); },
  async type(user, { text }) { await typed(users.get(user).page, text); },
  async press(user, { key }) { await users.get(user).page.keyboard.press(key); },
  async shoot(user, { path }) {
    await mkdir(dirname(path), { recursive: true });
    await users.get(user).page.screenshot({ path });
  },
  // start starts an application of the catalogue and waits for its picture; refused
  // is told why one does not start, once somebody is signed in.
  async start(user, { title }) {
    const { page } = users.get(user);
    const before = await look(page);
    await page.locator('.tile', { hasText: title }).click();
    await page.locator('#toast', { hasText: `${title} was started` }).waitFor({ timeout: 90_000 });
    await until(`${title} is on the screen`, async () => Math.abs((await look(page)).ink - before.ink) > 1000, 90_000);
    await page.waitForTimeout(2000); // pictures of it are for people
  },
  async refused(user, { title, text }) {
    const { page } = users.get(user);
    await until(`the page says ${text}`, async () => {
      await page.locator('.tile', { hasText: title }).click();
      await page.locator('#cat-said.bad').waitFor({ timeout: 90_000 });
      return (await page.locator('#cat-said').innerText()) === text;
    }, 240_000);
  },
  // leave disconnects, end ends the session, both by the buttons of the page.
  async leave(user) { await leaving(user, '#end-leave'); },
  async end(user) { await leaving(user, '#end-session'); },
  // connected waits until the screen is there (again), without doing anything.
  async connected(user, { limit }) { await users.get(user).page.locator('#state[data-state=connected]').waitFor({ timeout: limit }); },
  // told waits for words in the page's notice.
  async told(user, { text, limit }) { await users.get(user).page.locator('#veil-text', { hasText: text }).waitFor({ timeout: limit }); },
  // announced waits for words that the page says for a while only, keeps a picture of
  // them, and wants the time that is left to be shown as little.
  async announced(user, { text, path, limit }) {
    const { page } = users.get(user);
    await page.locator('#toast', { hasText: text }).waitFor({ timeout: limit });
    await can.shoot(user, { path });
    const left = await page.locator('#left.soon').innerText({ timeout: 5000 });
    if (!/^[45]:\d\d left$/.test(left)) throw new Error(`the page says ${left}`);
  },
  async away(user, { limit }) { await users.get(user).page.locator('#state:not([data-state=connected])').waitFor({ timeout: limit }); },
};

async function leaving(user, button) {
  const { page } = users.get(user);
  await page.click('#b-end');
  await page.click(button);
  await page.locator('#state:not([data-state=connected])').waitFor();
}

// Users wait for themselves only.
const turn = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { user, do: what, ...args } = JSON.parse(line);
  turn.set(user, (turn.get(user) ?? Promise.resolve()).then(() => can[what](user, args))
    .then(() => ({}), (e) => ({ error: String(e) }))
    .then((answer) => console.log(JSON.stringify({ user, ...answer }))));
}
await Promise.all(turn.values());
await Promise.all([...users.values()].map((u) => u.browser.close()));
