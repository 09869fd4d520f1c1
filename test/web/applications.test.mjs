// What a user of a fleet chooses from and starts, in a real browser over machines
// that are not real.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browse, connected, shoot, watched } from './browser.mjs';
import { Rooms, until } from './rooms.mjs';

let rooms, browser;

before(async () => {
  rooms = await Rooms.open();
  browser = await browse();
});
after(async () => {
  await browser?.close();
  await rooms?.close();
});

async function opened(stack, user, more, options) {
  const page = await watched(browser, options);
  const res = await page.goto(await rooms.address(stack, user, more));
  assert.equal(res.status(), 200);
  return page;
}

test('an application is chosen first, and started', async () => {
  const page = await opened('app', 'ann', {}, { colorScheme: 'light' });
  await page.locator('.tile').first().waitFor();
  assert.equal(await page.locator('.tile').count(), 9);
  await shoot(page, 'catalogue');
});
