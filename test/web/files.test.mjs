// Files that come and go, in a real browser over machines that are not real.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { browse, connected, shoot, until } from './browser.mjs';
import { Rooms } from './rooms.mjs';

let rooms, browser;

const may = (up, down) => [
  { Action: 'FILE_UPLOAD', Permission: up ? 'ENABLED' : 'DISABLED' }, { Action: 'FILE_DOWNLOAD', Permission: down ? 'ENABLED' : 'DISABLED' },
];

before(async () => {
  rooms = await Rooms.open();
  browser = await browse();
});
after(async () => {
  await browser?.close();
  await rooms?.close();
});

const big = Buffer.alloc(3_500_000, 'slipway '); // four pieces
const sum = (b) => createHash('sha256').update(b).digest('hex');
const file = (name, buffer = Buffer.from(name)) => ({ name, mimeType: 'text/plain', buffer });
const listed = async (page) => (await page.locator('#files li:not(.none) > :first-child').allInnerTexts()).join();
const said = (page, name) => page.locator('#transfers li', { hasText: name }).locator('small');

async function opened(user, options) {
  const page = await rooms.opened(browser, 'desktop', user, {}, options);
  await connected(page);
  await page.locator('#b-files').waitFor();
  await page.click('#b-files');
  await page.locator('#files li').first().waitFor();
  return page;
}

async function saved(page, name) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#files a', { hasText: name }).first().click()]);
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
}

async function done(page, allowed = []) {
  assert.deepEqual(page.complaints.filter((c) => !/willReadFrequently/.test(c) && !allowed.some((a) => a.test(c))), []);
  await page.context().close();
}

test('files come, are listed, and go as they came', async () => {
  const page = await opened('ann', { colorScheme: 'light' });
  assert.equal(await page.locator('#files .none').innerText(), 'The folder is empty.');
  await page.setInputFiles('#file-input', [file('Plan 1.pdf', big), file("&lt;b&gt; 'x' ü日本.txt"), file('empty', Buffer.alloc(0))]);
  await until('all have come', async () => (await listed(page)) === "&lt;b&gt; 'x' ü日本.txt,Plan 1.pdf,empty");
  assert.equal(await said(page, 'Plan 1.pdf').innerText(), 'Arrived');
  await page.setInputFiles('#file-input', [file('Plan 1.pdf')]);
  await page.locator('#transfers small', { hasText: 'Arrived as Plan 1 (1).pdf' }).waitFor();
  await until('it is listed, too', async () => (await listed(page)).includes('Plan 1 (1).pdf'));
  await shoot(page, 'files');

  const plan = await saved(page, 'Plan 1.pdf');
  assert.equal(plan.name, 'Plan 1.pdf');
  assert.equal(sum(plan.bytes), sum(big));
  const odd = await saved(page, 'ü日本');
  assert.equal(odd.name, "&lt;b&gt; 'x' ü日本.txt");
  assert.equal((await saved(page, 'empty')).bytes.length, 0);

  for (const name of ['a<b>.txt', 'CON.txt', '.bashrc', 'end.']) {
    await page.setInputFiles('#file-input', [file(name)]);
    await said(page, name).filter({ hasText: 'may not be called so' }).waitFor();
  }
  await shoot(page, 'files-refused');
  const ups = (await rooms.deeds('UploadFile')).map((r) => `${r.requestParameters.name} ${r.requestParameters.bytes} ${r.errorCode ?? 'ok'}`);
  assert.ok(ups.includes(`Plan 1.pdf ${big.length} ok`) && ups.includes('CON.txt 0 bad-value'), ups.join('\n'));
  await until('downloads are written down', async () => (await rooms.deeds('DownloadFile')).some((r) => r.requestParameters.name === 'Plan 1.pdf' && r.requestParameters.bytes === big.length));
  const metrics = await (await fetch(`${rooms.house.server.client.endpoint}/_slipway/metrics`)).text();
  const figure = (name) => Number(metrics.split('\n').find((l) => l.startsWith(`slipway_stream_${name} `))?.split(' ').at(-1));
  assert.equal(figure('deeds_total{what="UploadFile done"}'), 4);
  assert.ok(Math.abs(figure('file_bytes_total{direction="in"}') - big.length) < 100);
  await done(page, [/status of 400/]);
});

test('a file goes on where it was, and one that is given up leaves nothing', async () => {
  const page = await opened('bob');
  let calls = 0, cut = true, sent = 0;
  await page.route(/\/files\/put\/broken/, (route) => {
    if (route.request().method() !== 'PUT') return route.continue();
    sent += route.request().postDataBuffer()?.length ?? 0;
    if (++calls === 3 && cut) {
      cut = false;
      return route.abort('connectionreset');
    }
    return route.continue();
  });
  await page.setInputFiles('#file-input', [file('broken.bin', big)]);
  await said(page, 'broken.bin').filter({ hasText: 'Interrupted' }).waitFor();
  await said(page, 'broken.bin').filter({ hasText: 'Arrived' }).waitFor();
  assert.equal(sum((await saved(page, 'broken.bin')).bytes), sum(big));
  assert.ok(sent < 1.5 * big.length, `${sent} bytes were sent for ${big.length}`);

  let held;
  const holds = new Promise((ok) => { held = ok; });
  await page.route(/\/files\/put\/held.*offset=[1-9]/, (route) => held(route));
  const forgotten = page.waitForRequest((r) => r.method() === 'DELETE' && r.url().includes('held'));
  await page.setInputFiles('#file-input', [file('held.bin', big), file('next.txt')]);
  await holds;
  assert.equal(await page.locator('#transfers li', { hasText: 'held' }).locator('progress').evaluate((p) => p.value > 0 && p.value < p.max), true);
  assert.equal(await page.getByRole('progressbar', { name: 'held.bin' }).count(), 1);
  await shoot(page, 'files-progress');
  await page.getByRole('button', { name: 'Cancel held.bin' }).click();
  await said(page, 'held.bin').filter({ hasText: 'Cancelled' }).waitFor();
  assert.equal((await (await forgotten).response()).status(), 200);
  await said(page, 'next.txt').filter({ hasText: 'Arrived' }).waitFor();
  await until('the list is fresh', async () => (await listed(page)) === 'broken.bin,next.txt');
  await page.getByRole('button', { name: 'Clear held.bin from the list' }).click();
  assert.equal(await page.locator('#transfers li', { hasText: 'held' }).count(), 0);
  await done(page, [/ERR_CONNECTION_RESET/]);
});

test('files that are dropped on the page go up', async () => {
  const page = await rooms.opened(browser, 'desktop', 'dan');
  await connected(page);
  await page.locator('#b-files').waitFor();
  const data = await page.evaluateHandle(() => {
    const d = new DataTransfer();
    d.items.add(new File(['dropped'], 'dropped.txt'));
    return d;
  });
  await page.dispatchEvent('#screen', 'dragover', { dataTransfer: data });
  assert.equal(await page.locator('#file-drop').isVisible(), true);
  await page.dispatchEvent('#screen', 'drop', { dataTransfer: data });
  assert.equal(await page.locator('#file-drop').isVisible(), false);
  await said(page, 'dropped.txt').filter({ hasText: 'Arrived' }).waitFor();
  await done(page);
});

test('a stack decides which way files go', async () => {
  await rooms.stack('desktop', may(true, false));
  const up = await opened('eve');
  await up.setInputFiles('#file-input', [file('in.txt')]);
  await until('it is listed', async () => (await listed(up)) === 'in.txt');
  assert.equal(await up.locator('#files a').count(), 0);
  assert.match(await up.locator('#file-hint').innerText(), /none out of it/);

  await rooms.stack('desktop', may(false, true));
  // The page that is open is held to it, too.
  await up.setInputFiles('#file-input', [file('more.txt')]);
  await said(up, 'more.txt').filter({ hasText: 'may not upload files' }).waitFor();
  const down = await rooms.opened(browser, 'desktop', 'eve');
  await connected(down);
  await down.locator('#b-files').waitFor();
  await down.click('#b-files');
  assert.equal((await saved(down, 'in.txt')).bytes.toString(), 'in.txt');
  assert.equal(await down.locator('#file-up').isVisible(), false);
  const href = await down.locator('#files a').getAttribute('href');

  await rooms.stack('desktop', may(false, false));
  const none = await rooms.opened(browser, 'desktop', 'eve');
  await connected(none);
  await none.locator('#quality').waitFor();
  assert.equal(await none.locator('#b-files').isVisible(), false);
  assert.deepEqual(await none.evaluate(async () => {
    const at = document.querySelector('meta[name=slipway-page]').content;
    return [(await fetch(`${at}files`)).status, (await fetch(`${at}files/put/x?id=x&size=1&offset=0`, { method: 'PUT', body: 'x' })).status];
  }), [403, 403]);
  assert.equal(await down.evaluate(async (url) => (await fetch(url)).status, href), 403);
  await rooms.stack('desktop', may(true, true));
  // An address of a file is of no use to another browser.
  const stranger = await rooms.opened(browser, 'desktop', 'mallory');
  assert.equal(await stranger.evaluate(async (url) => (await fetch(url)).status, href), 403);
  for (const p of [up, down, none, stranger]) await p.context().close();
});
