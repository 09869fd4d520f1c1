// The Image Assistant's panel in a real browser, over machines that are not
// real: applications, and an image with its progress.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { House, browse, connected, shoot, until, watched } from './browser.mjs';

let house, browser;

before(async () => {
  [house, browser] = await Promise.all([House.open(), browse()]);
  await house.build('maker');
});
after(async () => {
  await browser?.close();
  await house?.close();
});

test('applications are added and removed, and an image is made', async () => {
  const page = await watched(browser, { colorScheme: 'light' });
  await page.goto(await house.address('maker'));
  await connected(page);
  await page.click('#b-assist');
  await page.locator('#apps li.none').waitFor();
  const said = async (words) => page.locator('#assist-said', { hasText: words }).waitFor();
  const add = async (name, path) => {
    await page.fill('#app-form [name=path]', path);
    await page.fill('#app-form [name=name]', name);
    await page.click('#app-form button[type=submit]');
  };
  await page.fill('#app-form [name=displayName]', '<i>Notepad</i>');
  await add('notepad', 'C:\\Windows\\notepad.exe');
  await said('was added');
  await add('paint', 'C:\\Windows\\mspaint.exe');
  await until('both are listed', async () => (await page.locator('#apps li b').allInnerTexts()).join() === '<i>Notepad</i>,paint');
  await shoot(page, 'assistant');
  await add('paint', 'C:\\Windows\\mspaint.exe');
  await said('Name is not unique');
  await page.locator('#apps li', { hasText: 'paint' }).locator('button').click();
  await said('paint was removed');

  await page.fill('#image-form [name=name]', 'made-here');
  await page.fill('#image-form [name=description]', 'from the panel');
  await page.click('#image-form button[value=check]');
  await said('can be made');
  assert.equal(await house.state('maker'), 'RUNNING');
  await page.click('#image-form button[value=create]');
  await page.locator('#veil-title', { hasText: 'The image made-here is ready' }).waitFor({ timeout: 60_000 });
  await shoot(page, 'assistant-made');
  const [img] = (await house.app.describeImages({ Names: ['made-here'] })).Images;
  assert.equal(img.State, 'AVAILABLE');
  assert.equal(img.Description, 'from the panel');
  assert.deepEqual(img.Applications.map((a) => [a.Name, a.DisplayName]), [['notepad', '<i>Notepad</i>']]);
  assert.equal(await house.state('maker'), 'STOPPED');
  assert.deepEqual(page.complaints.filter((c) => !/status of 409|WebSocket/.test(c)), []);
  await page.context().close();
});
