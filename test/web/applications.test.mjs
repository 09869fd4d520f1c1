// What a user of a fleet chooses from and starts, in a real browser over machines
// that are not real.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browse, connected, shoot, until, watched } from './browser.mjs';
import { Rooms } from './rooms.mjs';

let rooms, browser;

before(async () => {
  rooms = await Rooms.open();
  browser = await browse();
});
after(async () => {
  await browser?.close();
  await rooms?.close();
});

const tile = (page, title) => page.locator('.tile', { hasText: title });
const shown = (page) => page.locator('#catalogue').isVisible();
const hash = (page) => page.evaluate(() => document.querySelector('#screen canvas').toDataURL());

async function done(page, allowed = []) {
  assert.deepEqual(page.complaints.filter((c) => !/willReadFrequently/.test(c) && !allowed.some((a) => a.test(c))), []);
  await page.context().close();
}

// started waits until the screen is another than it was, and shown.
async function started(page, before) {
  await page.locator('#catalogue').waitFor({ state: 'hidden' });
  await until('a window is on the screen', async () => (await hash(page)) !== before);
}

test('in APP view an application is chosen first, and then others', async () => {
  const page = await rooms.opened(browser, 'app', 'ann', {}, { colorScheme: 'light' });
  await tile(page, 'Notepad').waitFor();
  assert.equal(await page.locator('.tile').count(), 9);
  assert.deepEqual(await page.locator('.tile img').evaluateAll((all) => all.map((i) => i.alt)), ['', '', ''], 'pictures say nothing that the names do not');
  await until('the pictures are there', () => page.locator('.tile img').evaluateAll((all) => all.every((i) => i.complete && i.naturalWidth === 64)));
  await connected(page);
  assert.equal(await page.locator('#screen').evaluate((e) => e.inert), true, 'the desktop can be reached behind the catalogue');
  assert.equal(await page.locator('#cat-close').isVisible(), false);
  await page.keyboard.press('Escape');
  assert.equal(await shown(page), true, 'there is nothing to go back to');
  await shoot(page, 'catalogue');

  await page.click('#b-end');
  await page.click('#end-leave');
  await page.click('#veil-again');
  await connected(page);
  assert.equal(await shown(page), true, 'who comes back before anything was started still chooses');

  await page.fill('#cat-find', 'PLAN');
  assert.equal(await page.locator('.tile:visible').count(), 1);
  assert.equal(await page.locator('#cat-said').innerText(), '1 of 9 applications');
  await page.fill('#cat-find', '');

  let was = await hash(page);
  await tile(page, 'Notepad').click();
  await started(page, was);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'CANVAS');
  await page.locator('#toast', { hasText: 'Notepad was started' }).waitFor();
  await shoot(page, 'application');

  await page.click('#b-apps');
  assert.equal(await tile(page, 'Notepad').locator('.tile-state').innerText(), 'Started');
  await tile(page, 'Gone Today').click();
  await page.locator('#cat-said.bad', { hasText: 'Gone Today could not be started: it is not there any more.' }).waitFor();
  await shoot(page, 'catalogue-failed');
  await tile(page, 'Crash Test').click();
  await page.locator('#cat-said.bad', { hasText: 'started and ended at once (exit code 3)' }).waitFor();
  was = await hash(page);
  await tile(page, 'Ledger').click();
  await started(page, was);
  await page.click('#b-apps');
  await page.click('#cat-close');
  assert.equal(await shown(page), false);

  // Who comes back finds the screen, where the applications still are.
  await page.reload();
  await connected(page);
  assert.equal(await shown(page), false);
  const deeds = (await rooms.deeds('LaunchApplication')).map((r) => [r.userIdentity.principalId, r.requestParameters.name, r.errorCode ?? '']);
  assert.deepEqual(deeds, [['ann', 'notepad', ''], ['ann', 'gone', 'not-found'], ['ann', 'crash', 'not-available'], ['ann', 'ledger', '']]);
  await done(page, [/status of 40/]);
});

test('in DESKTOP view the desktop is there at once, and applications in the toolbar', async () => {
  const page = await rooms.opened(browser, 'desktop', 'ann', {}, { colorScheme: 'dark' });
  await connected(page);
  assert.equal(await shown(page), false);
  await page.locator('#quality').waitFor();
  await page.click('#b-apps');
  await until('the pictures are there', () => page.locator('.tile img').evaluateAll((all) => all.length === 3 && all.every((i) => i.complete && i.naturalWidth > 0)));
  assert.equal(await page.locator('#screen').evaluate((e) => e.inert), false);
  await shoot(page, 'desktop-applications');
  const was = await hash(page);
  await tile(page, 'Paint').click();
  await started(page, was);
  await shoot(page, 'desktop');
  await page.click('#b-apps');
  await page.click('#b-keys');
  assert.equal(await page.locator('#p-keys').isVisible(), true);
  await done(page);
});

test('an address opens its application, once', async () => {
  const sent = [];
  const open = async (app) => {
    const page = await rooms.opened(browser, 'app', 'bob', { ApplicationId: app });
    page.on('request', (r) => { if (r.url().endsWith('/launch')) sent.push(JSON.parse(r.postData()).name); });
    return page;
  };
  const page = await open('ledger');
  await page.locator('#toast', { hasText: 'Ledger 2026 was started' }).waitFor();
  assert.equal(await shown(page), false);
  const count = sent.length;
  await page.reload();
  await connected(page);
  await page.locator('#quality').waitFor(); // it has answered since
  assert.equal(sent.length, count, 'it was started again');
  // The same user with another address: the same session, and the other application.
  const other = await open('paint');
  await other.locator('#toast', { hasText: 'Paint was started' }).waitFor();
  assert.equal((await rooms.sessions('app')).filter((s) => s.UserId === 'bob').length, 1);
  const broken = await open('crash');
  await broken.locator('#cat-said.bad', { hasText: 'Crash Test could not be started' }).waitFor();
  assert.equal(await shown(broken), true);

  await assert.rejects(rooms.address('app', 'bob', { ApplicationId: 'none' }), { name: 'ResourceNotFoundException', message: /none/ });
  await assert.rejects(rooms.address('app', 'bob', { ApplicationId: 'Desktop' }), { name: 'InvalidParameterCombinationException' });
  const desktop = await rooms.opened(browser, 'desktop', 'bob', { ApplicationId: 'Desktop' });
  await connected(desktop);
  assert.equal(await shown(desktop), false);
  for (const p of [page, other, broken, desktop]) await p.context().close();
});

test('who chooses before the machine is there gets it when it is', async () => {
  const page = await watched(browser, { colorScheme: 'light' });
  // The machine is as slow as the test wants.
  let waits = true;
  const slow = async (p) => {
    await p.route(/\/status$/, (route) => (waits ? route.fulfill({ json: { waiting: true } }) : route.continue()));
    await p.routeWebSocket(/\/socket$/, (ws) => { if (waits) ws.close({ code: 1013 }); else ws.connectToServer(); });
  };
  await slow(page);
  await page.goto(await rooms.address('app', 'eve'));
  await tile(page, 'Paint').click();
  await page.locator('#cat-said', { hasText: 'Paint opens as soon as your session is ready.' }).waitFor();
  assert.equal(await tile(page, 'Paint').locator('.tile-state').innerText(), 'Waiting');
  assert.equal(await page.locator('#veil').isVisible(), false);
  await shoot(page, 'catalogue-waiting');
  waits = false;
  await page.locator('#toast', { hasText: 'Paint was started' }).waitFor();
  assert.equal(await shown(page), false);

  // With an address that names an application its name is said meanwhile.
  waits = true;
  const named = await watched(browser);
  await slow(named);
  await named.goto(await rooms.address('app', 'eva', { ApplicationId: 'notepad' }));
  await named.locator('#veil-text', { hasText: 'Notepad opens as soon as your session is ready.' }).waitFor();
  waits = false;
  await named.locator('#toast', { hasText: 'Notepad was started' }).waitFor();
  await page.context().close();
  await named.context().close();
});

test('applications are chosen with the keyboard alone', async () => {
  const page = await rooms.opened(browser, 'app', 'kay');
  const focus = () => page.evaluate(() => document.activeElement.id || document.activeElement.dataset.name || document.activeElement.tagName);
  await tile(page, 'Notepad').waitFor();
  await connected(page);
  assert.equal(await focus(), 'notepad', 'the first application has the focus');
  await page.keyboard.press('Tab');
  assert.equal(await focus(), 'paint');
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');
  let was = await hash(page);
  await page.keyboard.press('Enter');
  await started(page, was);
  assert.equal(await focus(), 'CANVAS');
  for (const k of ['Control', 'Alt', 'Shift']) await page.keyboard.down(k);
  for (const k of ['Shift', 'Alt', 'Control']) await page.keyboard.up(k);
  assert.equal(await focus(), 'b-apps', 'the toolbar begins with the applications');
  await page.keyboard.press('Enter');
  assert.equal(await shown(page), true);
  assert.equal(await focus(), 'notepad');
  await page.keyboard.press('Escape');
  assert.equal(await shown(page), false);
  assert.equal(await focus(), 'CANVAS');
  // Every button of the toolbar is reached, in order, and none is without a name.
  for (const k of ['Control', 'Alt', 'Shift']) await page.keyboard.down(k);
  for (const k of ['Shift', 'Alt', 'Control']) await page.keyboard.up(k);
  for (const want of ['b-keys', 'b-clip', 'b-files', 'b-fit', 'b-full', 'b-end']) {
    await page.keyboard.press('Tab');
    assert.equal(await focus(), want);
  }
  await page.keyboard.press('Enter');
  assert.equal(await focus(), 'end-leave');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('#veil-title', { hasText: 'has ended' }).waitFor();
  await done(page);
});

test('what a catalogue calls an application is text', async () => {
  const { house } = rooms;
  const nasty = `<img src=x onerror="document.title='owned'">'"&`;
  await house.build('maker');
  const builder = await watched(browser);
  await builder.goto(await house.address('maker'));
  await builder.evaluate(async ([name, body]) => {
    const at = document.querySelector('meta[name=slipway-page]').content;
    const post = (what, json) => fetch(`${at}assistant/${what}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) });
    for (const r of [await post('applications', body), await post('image', { name })]) if (!r.ok) throw new Error(await r.text());
  }, ['nasty', { name: '"><script>', displayName: nasty, path: 'C:\\x.exe' }]);
  await until('the image is there', async () => (await house.app.describeImages({ Names: ['nasty'] })).Images[0].State === 'AVAILABLE');
  await rooms.fleet('nasty', 'APP', undefined, { image: 'nasty', type: 'stream.standard.small', seats: 1 });
  const page = await rooms.opened(browser, 'nasty', 'ann', { ApplicationId: '"><script>' });
  await page.locator('#toast', { hasText: `${nasty} was started` }).waitFor();
  await page.click('#b-apps');
  assert.equal(await page.locator('.tile-title').innerText(), nasty);
  assert.equal(await page.locator('.tile').getAttribute('data-name'), '"><script>');
  assert.notEqual(await page.title(), 'owned');
  await builder.context().close();
  await done(page);
});
