// What holds in every state of the pages, light and dark, large and small: axe
// finds nothing serious, and nothing is wider than the window.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { browse, connected, shoot, until, watched } from './browser.mjs';
import { Rooms } from './rooms.mjs';

let rooms, browser;

before(async () => {
  rooms = await Rooms.open();
  await rooms.house.build('desk', { DisplayName: 'Build Desk' });
  browser = await browse();
});
after(async () => {
  await browser?.close();
  await rooms?.close();
});

// check asks axe about the page as it is now.
async function check(page, state) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  // What is on its way in or out is neither here nor there.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect.getComputedTiming().endTime !== Infinity).map((a) => a.finished.catch(() => {}))));
  const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations
    .map((v) => ({ id: v.id, impact: v.impact, where: v.nodes.map((n) => `${n.target.join(' ')}: ${n.failureSummary}`) })));
  assert.deepEqual(found.filter((v) => ['serious', 'critical'].includes(v.impact)), [], state);
  for (const v of found) minor.add(`${v.impact} ${v.id}: ${state}`);
  // Nothing that is seen reaches out of the window, or scrolls sideways.
  const wide = await page.evaluate(() => [...document.querySelectorAll('body *')].filter((e) => {
    const box = e.getBoundingClientRect();
    if (!box.width || !box.height || e.closest('[hidden], svg, #screen, .skip') || getComputedStyle(e).position === 'absolute' && box.width <= 1) return false;
    return box.right > innerWidth + 1 || box.left < -1 || e.scrollWidth > e.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
  }).map((e) => `${e.tagName}#${e.id}.${e.className}`));
  assert.deepEqual(wide, [], state);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, state);
  states++;
}

let states = 0;
const minor = new Set();

// walk takes a page of each kind through its states.
async function walk(name, options, user) {
  const see = async (page, state) => {
    await check(page, `${name}: ${state}`);
    await shoot(page, `access-${name}-${state}`);
  };
  const closed = (page) => page.keyboard.press('Escape');
  const slow = await watched(browser, options);
  await slow.route(/\/status$/, (route) => route.fulfill({ json: { waiting: true } }));
  await slow.routeWebSocket(/\/socket$/, (ws) => ws.close({ code: 1013 }));
  await slow.goto(await rooms.address('desktop', user));
  await slow.locator('#veil-title', { hasText: 'being prepared' }).waitFor();
  await see(slow, 'preparing');
  await slow.context().close();

  const page = await rooms.opened(browser, 'app', user, {}, options);
  await connected(page);
  await page.locator('.tile img').first().waitFor();
  await see(page, 'catalogue');
  await page.locator('.tile', { hasText: 'Gone Today' }).click();
  await page.locator('#cat-said.bad').waitFor();
  await see(page, 'catalogue-failed');
  await page.fill('#cat-find', 'note');
  await see(page, 'catalogue-found');
  await page.locator('.tile', { hasText: 'Notepad' }).click();
  await page.locator('#toast').waitFor();
  await see(page, 'started');
  for (const panel of ['keys', 'clip', 'files', 'end']) {
    await page.click(`#b-${panel}`);
    if (panel === 'files') {
      const long = `${'A name that is so long that it does not fit into one line '.repeat(3)}.txt`;
      await page.setInputFiles('#file-input', [{ name: long, mimeType: 'text/plain', buffer: Buffer.from('x') }, { name: 'a<.txt', mimeType: 'text/plain', buffer: Buffer.from('x') }]);
      await page.locator('#transfers small.bad').waitFor();
      await page.locator('#files a').first().waitFor();
    }
    await see(page, panel);
    await closed(page);
  }
  await page.click('#b-end');
  await page.click('#end-leave');
  await page.locator('#veil-again').waitFor();
  await see(page, 'left');
  await page.click('#veil-again');
  await connected(page);
  await page.click('#b-end');
  await page.click('#end-session');
  await page.locator('#veil-title', { hasText: 'has ended' }).waitFor();
  await see(page, 'ended');
  await page.reload();
  await page.locator('main.card').waitFor();
  await see(page, 'notice');
  await page.context().close();

  const desktop = await rooms.opened(browser, 'desktop', user, {}, options);
  await connected(desktop);
  await see(desktop, 'desktop');
  await desktop.click('#b-apps');
  await desktop.locator('.tile').first().waitFor();
  await see(desktop, 'desktop-catalogue');
  await desktop.context().close();

  const builder = await watched(browser, options);
  await builder.goto(await rooms.house.address('desk'));
  await connected(builder);
  await builder.click('#b-assist');
  await builder.locator('#apps li').first().waitFor();
  await see(builder, 'builder');
  await builder.context().close();
}

test('every state of every page is usable, light and dark, large and small', async (t) => {
  const large = { width: 1280, height: 800 };
  await Promise.all([
    walk('light', { colorScheme: 'light', viewport: large }, 'light'), walk('dark', { colorScheme: 'dark', viewport: large }, 'dark'),
    walk('small', { colorScheme: 'dark', viewport: { width: 320, height: 640 } }, 'small'),
  ]);
  t.diagnostic(`${states} states without a serious violation; others: ${[...minor].join('; ') || 'none'}`);
});

test('what happens is said to those who do not see it', async () => {
  const page = await rooms.opened(browser, 'app', 'ear');
  await connected(page);
  const live = (id) => page.locator(`#${id}`).evaluate((e) => [e.getAttribute('role'), e.getAttribute('aria-live')].join(' ').trim());
  assert.deepEqual(await Promise.all(['state', 'cat-said', 'toast', 'veil-text', 'file-said', 'file-live'].map(live)), ['status', 'status', 'alert', 'status', 'status', 'status']);
  assert.equal(await page.getByRole('region', { name: 'Applications' }).count(), 1);
  assert.equal(await page.getByRole('list', { name: 'Applications' }).getByRole('button').count(), 9);
  assert.equal(await page.getByRole('button', { name: 'Notepad', exact: true }).count(), 1);
  assert.equal(await page.getByRole('button', { name: 'Applications' }).getAttribute('aria-expanded'), 'true');
  assert.equal(await page.getByRole('navigation', { name: 'Screen' }).count(), 1);
  const screen = async () => { // in the tree that screen readers get
    const cdp = await page.context().newCDPSession(page);
    const { nodes } = await cdp.send('Accessibility.getFullAXTree');
    await cdp.detach();
    return nodes.filter((n) => !n.ignored && n.name?.value === 'Screen of Design Studio').length;
  };
  assert.equal(await screen(), 0, 'what is behind the catalogue is read');
  await page.getByRole('button', { name: 'Notepad', exact: true }).click();
  await until('it was started', async () => (await page.getByRole('alert').innerText()) === 'Notepad was started.');
  assert.equal(await screen(), 1);
  await page.context().close();
});
