// The streaming page in a real browser, over machines that are not real: what a
// person sees and does, and what others must not.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { House, browse, connected, shoot, until, watched } from './browser.mjs';

const nasty = `<img src=x onerror="document.title='owned'">'"&`;
let house, browser, address;

before(async () => {
  [house, browser] = await Promise.all([House.open(), browse()]);
  await house.build('desk', { DisplayName: nasty, Description: '<script>document.title="owned"</script>' });
  address = await house.address('desk');
});
after(async () => {
  await browser?.close();
  await house?.close();
});

// seen opens an address and waits for the screen.
async function seen(options, url = address) {
  const page = await watched(browser, options);
  await page.goto(url);
  await connected(page);
  return page;
}

// pixel reads the guest's screen, at a place of the guest's.
const pixel = (page, x, y) => page.evaluate(([x, y]) => [...document.querySelector('#screen canvas').getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3), [x, y]);

// at is a place of the guest's on the page.
async function at(page, x, y) {
  const box = await page.locator('#screen canvas').boundingBox();
  return [box.x + (x * box.width) / 640, box.y + (y * box.height) / 400];
}

// done closes a page that nothing may have been complained about.
async function done(page, allowed = []) {
  const left = page.complaints.filter((c) => !/willReadFrequently/.test(c) && !allowed.some((a) => a.test(c)));
  assert.deepEqual(left, []);
  assert.notEqual(await page.title(), 'owned');
  await page.context().close();
}

const clipboard = (page) => page.locator('#clip').inputValue();

test('a person sees the screen, types, clicks and copies', async () => {
  const page = await seen();
  assert.ok(!page.url().includes('token') && !(await page.evaluate(() => document.cookie)), page.url());
  assert.equal(await page.locator('#title').innerText(), nasty);
  assert.equal(await page.locator('#state-text').innerText(), 'Connected');
  await page.locator('#quality').waitFor();
  assert.deepEqual(await pixel(page, 10, 10), [0x18, 0x70, 0x60]);

  await page.keyboard.type('echo hi'); // the screen has the focus from the start
  await page.keyboard.press('Enter'); // the fake guest copies the line
  await until('the line is in the panel', async () => (await clipboard(page)) === 'echo hi');
  await page.mouse.click(...(await at(page, 600, 40)));
  await until('the click is shown', async () => (await pixel(page, 600, 40)).join() === [0xe0, 0x30, 0x30].join());

  const other = await seen(); // the same address again, in another browser
  await page.click('#b-clip');
  await page.fill('#clip', 'from the page');
  await page.click('#clip-send');
  await until('the other one sees it', async () => (await clipboard(other)) === 'from the page');
  await page.fill('#clip', 'Typed: "x"!');
  await page.click('#clip-type');
  await page.waitForTimeout(800); // it is typed at a person's pace
  await page.keyboard.press('Enter');
  await until('the typed text arrived', async () => (await clipboard(other)) === 'Typed: "x"!');

  await page.click('#b-fit');
  await until('it is shown as large as it is', async () => Math.round((await page.locator('#screen canvas').boundingBox()).width) === 640);
  await page.click('#b-full');
  await until('it fills the screen', () => page.evaluate(() => Boolean(document.fullscreenElement)));
  await page.reload();
  await connected(page);
  await page.click('#b-end');
  await page.locator('#state[data-state=ended]').waitFor();
  await page.click('#veil-again');
  await connected(page);
  await done(other);
  await done(page);
});

test('everything is done with the keyboard alone', async () => {
  const page = await seen();
  const focus = () => page.evaluate(() => document.activeElement.id || document.activeElement.tagName);
  assert.equal(await focus(), 'CANVAS');
  await page.keyboard.press('Tab'); // belongs to the guest
  assert.equal(await focus(), 'CANVAS');
  for (const k of ['Control', 'Alt', 'Shift']) await page.keyboard.down(k);
  for (const k of ['Shift', 'Alt', 'Control']) await page.keyboard.up(k);
  assert.equal(await focus(), 'b-keys');
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('#p-keys').isVisible(), true);
  assert.equal(await page.locator('#b-keys').getAttribute('aria-expanded'), 'true');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#p-keys').isVisible(), false);
  assert.equal(await focus(), 'b-keys');
  for (const want of ['b-clip', 'b-fit', 'b-full', 'b-end']) {
    await page.keyboard.press('Tab');
    assert.equal(await focus(), want);
  }
  for (const b of await page.locator('button:visible').all()) assert.ok((await b.textContent()).trim(), 'a button without a name');
  await page.locator('#b-keys').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter'); // Ctrl+Alt+Del, and back to the screen
  assert.equal(await focus(), 'CANVAS');
  await done(page);
});

test('it fits small screens, light and dark', async () => {
  for (const [name, options] of Object.entries({
    light: { colorScheme: 'light' }, dark: { colorScheme: 'dark' }, narrow: { colorScheme: 'dark', viewport: { width: 360, height: 640 } },
  })) {
    const page = await seen(options);
    await shoot(page, `page-${name}`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, name);
    const dark = await page.evaluate(() => getComputedStyle(document.querySelector('header')).backgroundColor === 'rgb(20, 29, 27)');
    assert.equal(dark, options.colorScheme === 'dark');
    await done(page);
  }
});

test('addresses that are not good open no screen', async () => {
  const short = await house.address('desk', 1);
  const opened = await seen({}, short); // while it is good
  const foreign = await watched(browser);
  const cases = {
    tampered: [address.replace(/.$/, (c) => (c === '0' ? '1' : '0')), 403, 'not valid'],
    cut: [address.slice(0, -10), 403, 'not valid'],
    'of another browser': [opened.url(), 403, 'another browser'],
    expired: [short, 403, 'has expired'],
  };
  await until('the address expires', async () => (await fetch(short)).status === 403);
  for (const [name, [url, status, words]] of Object.entries(cases)) {
    const res = await foreign.goto(url);
    assert.equal(res.status(), status, name);
    assert.ok((await foreign.locator('main').innerText()).includes(words), name);
    assert.equal(await foreign.locator('canvas').count(), 0, name);
  }
  await shoot(foreign, 'page-expired');
  // A page that was opened in time goes on.
  await opened.reload();
  await connected(opened);
  await done(opened);
  await done(foreign, [/status of 403/]);
});

test('no other site gets at the screen', async () => {
  const evil = createServer((_, res) => {
    res.setHeader('content-type', 'text/html');
    res.end('<!doctype html><title>evil</title>');
  });
  await new Promise((ok) => evil.listen(0, '127.0.0.1', ok));
  try {
    const page = await seen(); // has the cookie
    const own = page.url();
    // Another port of the same host is the same site: only Origin tells it apart.
    await page.goto(`http://127.0.0.1:${evil.address().port}/`);
    const socket = `${own.replace('http', 'ws')}socket`;
    const outcome = await page.evaluate((url) => new Promise((ok) => {
      const ws = new WebSocket(url);
      ws.onopen = () => ok('open');
      ws.onerror = () => ok('refused');
    }), socket);
    assert.equal(outcome, 'refused');
    const framed = await page.evaluate((url) => new Promise((ok) => {
      const f = document.createElement('iframe');
      f.src = url;
      f.onload = () => { try { ok(f.contentDocument ? 'blank' : 'blocked'); } catch { ok('blocked'); } };
      document.body.append(f);
    }), own);
    assert.ok(['blank', 'blocked'].includes(framed));
    assert.ok(page.complaints.some((c) => /frame|ancestor/i.test(c)), page.complaints.join('\n'));
    assert.equal(page.frames().some((f) => f !== page.mainFrame() && f.url() === own), false, 'the page is in a frame');
    const read = await page.evaluate((url) => fetch(url, { credentials: 'include' }).then(() => 'read', () => 'refused'), `${own}status`);
    assert.equal(read, 'refused');
    await page.context().close();
  } finally {
    evil.close();
  }
});

test('it comes back after the server was killed', async () => {
  const page = await seen();
  await house.server.kill();
  await page.locator('#state[data-state=waiting]').waitFor();
  await shoot(page, 'page-waiting');
  await house.server.launch(house.server.address);
  await connected(page);
  await page.keyboard.type('again');
  await page.keyboard.press('Enter');
  await until('keys arrive again', async () => (await clipboard(page)) === 'again');
  await done(page, [/WebSocket/, /ERR_CONNECTION/, /Failed when connecting/, /Connection closed/]);
});

test('a builder that stops says so, and comes back when it starts', async () => {
  const page = await seen();
  await house.app.stopImageBuilder({ Name: 'desk' });
  await page.locator('#veil-text', { hasText: 'is STOPP' }).waitFor();
  await house.is('desk', 'STOPPED');
  const late = await watched(browser);
  assert.equal((await late.goto(address)).status(), 409);
  assert.match(await late.locator('main').innerText(), /is STOPPED/);
  await house.app.startImageBuilder({ Name: 'desk' });
  await connected(page);
  await house.app.deleteImageBuilder({ Name: 'desk' });
  await page.locator('#state[data-state=ended]').waitFor();
  assert.match(await page.locator('#veil-text').innerText(), /does not exist any more/);
  await done(late, [/status of 409/]);
  await done(page, [/status of 40/, /WebSocket/, /Failed when connecting/, /Connection closed/]);
});
