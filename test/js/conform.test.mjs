// Every operation through the AWS SDK for JavaScript, as the script in
// test/conform says (its README tells how to add to it).
import { after, before, test } from 'node:test';
import * as appstream from '@aws-sdk/client-appstream';
import * as ebs from '@aws-sdk/client-ebs';
import * as ec2 from '@aws-sdk/client-ec2';
import * as iam from '@aws-sdk/client-iam';
import * as tagging from '@aws-sdk/client-resource-groups-tagging-api';
import * as sts from '@aws-sdk/client-sts';
import * as workspaces from '@aws-sdk/client-workspaces';
import { Refusal, Run } from '../conform/run.mjs';

const sdks = {
  appstream: [appstream, 'AppStream'], ebs: [ebs, 'EBS'], ec2: [ec2, 'EC2'], iam: [iam, 'IAM'], sts: [sts, 'STS'],
  tagging: [tagging, 'ResourceGroupsTaggingAPI'], workspaces: [workspaces, 'WorkSpaces'],
};
const clients = new Map();
let run;

const javascript = {
  name: 'the SDK for JavaScript',
  swift: true,
  knows: (service, operation) => `${operation}Command` in sdks[service][0],
  async send(config, service, operation, input) {
    const [sdk, id] = sdks[service];
    const key = `${service} ${config.credentials.accessKeyId}`;
    if (!clients.has(key)) clients.set(key, new sdk[`${id}Client`]({ ...config, maxAttempts: 1 }));
    try {
      const answer = await clients.get(key).send(new sdk[`${operation}Command`](input));
      await answer.BlockData?.transformToByteArray?.(); // or the connection stays taken
      return answer;
    } catch (e) {
      if (!e.$metadata?.httpStatusCode) throw e;
      const type = e.constructor.name;
      const shape = type in sdk && type !== `${id}ServiceException` ? type : null;
      throw new Refusal(e.message, { names: [e.name, e.Code, e.Error?.Code], shape, status: e.$metadata.httpStatusCode });
    }
  },
};

before(async () => { run = await Run.start(javascript); });
after(() => run?.stop());

test('every built operation succeeds, and is refused', async () => console.log((await run.built()).join('\n')));
test('what is not built says so', async () => console.log(await run.absent()));
