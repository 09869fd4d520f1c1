// The main job and a handful of errors through the AWS SDK for JavaScript, whose
// AppStream client still speaks awsJson1_1.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import * as appstream from '@aws-sdk/client-appstream';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { Server, until } from './rig.mjs';

const policy = (...actions) => JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] });
const trust = JSON.stringify({
  Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service: 'appstream.amazonaws.com' }, Action: 'sts:AssumeRole' }],
});

let server, app, role, disk, ami;
const protocols = new Set();

before(async () => {
  server = await Server.start('--compute', 'fake', '--fake-boot-time', '300ms');
  app = new appstream.AppStream(server.config);
  app.middlewareStack.add((next) => (args) => {
    protocols.add(args.request.headers['content-type']);
    return next(args);
  }, { step: 'finalizeRequest' });
  const iam = new IAMClient(server.config);
  role = (await iam.send(new CreateRoleCommand({ RoleName: 'mover', AssumeRolePolicyDocument: trust }))).Role.Arn;
  await iam.send(new PutRolePolicyCommand({
    RoleName: 'mover', PolicyName: 'p', PolicyDocument: policy('ec2:ModifyImageAttribute', 'ec2:DescribeImages', 'ec2:CopyImage', 'ec2:CreateTags'),
  }));
  disk = await server.fixture('ws2022');
  ami = await server.cli('ami', 'push', disk, '--name', 'js-in');
});

after(() => server?.stop());

const image = async (name) => (await app.describeImages({ Names: [name] })).Images[0];

async function sha256(file) {
  const sum = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 4 << 20 }), sum);
  return sum.digest('hex');
}

function recent(time) {
  assert.ok(time instanceof Date, `${time} is no Date`);
  assert.ok(Math.abs(Date.now() - time.getTime()) < 600_000, `${time.toISOString()} is not about now`);
}

// rejects asks for the SDK's own exception, the caller's fault, and words.
async function rejects(request, Exception, words) {
  await assert.rejects(request, (e) => {
    assert.ok(e instanceof Exception, `${e.name}: ${e.message}`);
    assert.equal(e.$fault, 'client');
    assert.match(e.message, words);
    return true;
  });
}

test('a machine image comes in and goes out', async () => {
  const created = (await app.createImportedImage({
    Name: 'main-job', SourceAmiId: ami, IamRoleArn: role, DisplayName: 'Main job', Tags: { team: 'blue', ключ: 'значение' },
    RuntimeValidationConfig: { IntendedInstanceType: 'GeneralPurpose.m7i.large' },
    AppCatalogConfig: [{ Name: 'Notepad', AbsoluteAppPath: 'C:\\Windows\\notepad.exe' }],
  })).Image;
  assert.equal(created.State, 'PENDING');
  recent(created.CreatedTime);
  const seen = new Set();
  let img;
  await until('the image is there', async () => {
    img = await image('main-job');
    seen.add(img.State);
    return ['AVAILABLE', 'FAILED'].includes(img.State);
  });
  assert.equal(img.State, 'AVAILABLE', JSON.stringify(img.StateChangeReason));
  assert.ok(seen.has('VALIDATING'), [...seen].join());
  assert.deepEqual(img.CreatedTime, created.CreatedTime);
  assert.equal(img.Platform, 'WINDOWS_SERVER_2022');
  assert.equal(img.ManagedSoftwareIncluded, false);
  assert.equal(img.Applications[0].LaunchPath, 'C:\\Windows\\notepad.exe');
  assert.deepEqual((await app.listTagsForResource({ ResourceArn: img.Arn })).Tags, { team: 'blue', ключ: 'значение' });

  const { TaskId } = (await app.createExportImageTask({
    ImageName: 'main-job', AmiName: 'js-out', IamRoleArn: role, TagSpecifications: { Owner: 'ops' },
  })).ExportImageTask;
  let task;
  await until('the export has ended', async () => {
    task = (await app.getExportImageTask({ TaskId })).ExportImageTask;
    return task.State !== 'EXPORTING';
  });
  assert.equal(task.State, 'COMPLETED', JSON.stringify(task.ErrorDetails));
  recent(task.CreatedDate);
  assert.deepEqual(task.TagSpecifications, { Owner: 'ops' });
  const listed = (await app.listExportImageTasks({ Filters: [{ Name: 'State', Values: ['COMPLETED'] }] })).ExportImageTasks;
  assert.deepEqual(listed, [task]);

  const out = join(server.dir, 'out.raw');
  await server.cli('ami', 'pull', task.AmiId, out);
  assert.equal((await stat(out)).size, (await stat(disk)).size);
  assert.equal(await sha256(out), await sha256(disk), 'the pulled disk is not the pushed one');
});

test('refusals are the exceptions of the SDK', async () => {
  const good = { Name: 'refused', SourceAmiId: ami, IamRoleArn: role };
  await rejects(app.createImportedImage({ ...good, DryRun: true }), appstream.DryRunOperationException, /DryRun/);
  await rejects(app.createImportedImage({ ...good, SourceAmiId: 'ami-0123456789abcdef0' }), appstream.ResourceNotFoundException, /ami-0123456789abcdef0/);
  await rejects(app.createImportedImage({ ...good, IamRoleArn: `${role}-none` }), appstream.InvalidRoleException, /encountered an error because your IAM role/);
  await rejects(app.createImportedImage({ ...good, WorkspaceImageId: 'wsi-abcdefghi' }), appstream.InvalidParameterCombinationException, /WorkspaceImageId/);
  await rejects(app.createImportedImage({ ...good, Name: 'main-job' }), appstream.ResourceAlreadyExistsException, /main-job/);
  await rejects(app.createExportImageTask({ ImageName: 'unknown', AmiName: 'out', IamRoleArn: role }), appstream.ResourceNotFoundException, /unknown/);
  await assert.rejects(app.createImportedImage({ ...good, Name: '-' }), { name: 'ValidationException', $fault: 'client' });
  await assert.rejects(app.createImportedImage({ ...good, Name: 'amazon-x' }), { name: 'InvalidParameterValueException', $fault: 'client' });
  await rejects(image('refused'), appstream.ResourceNotFoundException, /refused/);
});

test('an import that fails says why', async () => {
  await app.createImportedImage({
    Name: 'panics', SourceAmiId: ami, IamRoleArn: role, Tags: { 'slipway:fault': 'panic' },
    RuntimeValidationConfig: { IntendedInstanceType: 'GeneralPurpose.m7i.large' },
  });
  let img;
  await until('the import has ended', async () => ['AVAILABLE', 'FAILED'].includes((img = await image('panics')).State));
  assert.equal(img.State, 'FAILED');
  assert.equal(img.StateChangeReason.Code, 'IMAGE_IMPORT_FAILURE');
  assert.equal(img.ImageErrors[0].ErrorCode, 'VALIDATION_ERROR');
  recent(img.ImageErrors[0].ErrorTimestamp);
});

test('every request was awsJson1_1', () => assert.deepEqual([...protocols], ['application/x-amz-json-1.1']));
