// Drives a FHIR server with fhir-kit-client; prints what it got as one JSON object.
//
//     node fhir_kit.mjs BASE TOKEN FOLDER-OF-NODE-MODULES
//
// The order's number is a new one at each run, so that runs do not meet.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [base, token, modules] = process.argv.slice(2);

// The package is found by folder, because it is not installed beside this file.
const folder = join(modules, 'fhir-kit-client');
const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const file = pathToFileURL(join(folder, exports['.'].import));
const { Client } = await import(file);

const MRN = 'http://kit.example/mrn';
const ORDERS = 'http://kit.example/orders';
const number = randomUUID().slice(0, 12);

const fhir = new Client({ baseUrl: base, bearerToken: token });
const status = (resource) => Client.httpFor(resource).response.status;
const header = (resource, name) => Client.httpFor(resource).response.headers.get(name);

const result = {};

const statement = await fhir.capabilityStatement();
result.fhirVersion = statement.fhirVersion;

const patient = await fhir.create({
  resourceType: 'Patient',
  body: {
    resourceType: 'Patient',
    identifier: [{ system: MRN, value: number }],
    name: [{ family: 'Müller Kit', given: ['Jörg'] }],
    gender: 'male',
    birthDate: '1958-02',
  },
});
result.patient = { status: status(patient), location: header(patient, 'location'), id: patient.id };

const again = await fhir.create({
  resourceType: 'Patient',
  body: { resourceType: 'Patient', name: [{ family: 'Somebody else' }] },
  options: { headers: { 'If-None-Exist': `identifier=${MRN}|${number}` } },
});
result.conditional = { status: status(again), same: again.id === patient.id };

const order = await fhir.create({
  resourceType: 'ServiceRequest',
  body: {
    resourceType: 'ServiceRequest',
    identifier: [{ system: ORDERS, value: number }],
    status: 'active',
    intent: 'order',
    code: { coding: [{ system: 'urn:ris:scheme:TEST', code: 'CTHEAD', display: 'CT head' }] },
    orderDetail: [{ text: 'CT' }],
    subject: { reference: `Patient/${patient.id}` },
    occurrenceDateTime: '2026-03-02T13:00:00+01:00',
  },
});
result.order = { status: status(order), id: order.id };

const read = await fhir.read({ resourceType: 'ServiceRequest', id: order.id });
result.read = { etag: header(read, 'etag'), version: read.meta.versionId };

const found = await fhir.search({
  resourceType: 'ServiceRequest',
  searchParams: { identifier: `${ORDERS}|${number}`, _include: 'ServiceRequest:patient' },
});
result.included = found.entry.map((entry) => `${entry.search.mode} ${entry.resource.resourceType}`);

const posted = await fhir.search({
  resourceType: 'Patient',
  searchParams: { name: 'Müller kit' },
  options: { postSearch: true },
});
result.postedSearch = (posted.entry ?? []).map((entry) => entry.resource.id);

const tasks = await fhir.search({
  resourceType: 'Task',
  searchParams: { 'based-on': `ServiceRequest/${order.id}` },
});
result.tasks = tasks.entry.map((entry) => entry.resource.status);

const changed = await fhir.update({
  resourceType: 'ServiceRequest',
  id: order.id,
  body: { ...read, priority: 'stat' },
  options: { headers: { 'If-Match': header(read, 'etag') } },
});
result.update = { status: status(changed), priority: changed.priority };

const revoked = await fhir.patch({
  resourceType: 'ServiceRequest',
  id: order.id,
  jsonPatch: [{ op: 'replace', path: '/status', value: 'revoked' }],
});
result.patch = { status: status(revoked), state: revoked.status };

const transaction = await fhir.transaction({
  body: {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      {
        fullUrl: 'urn:uuid:5f1c0c0a-1f4e-4c34-9d55-0f6a0a6d1e03',
        request: { method: 'POST', url: 'Patient', ifNoneExist: `identifier=${MRN}|${number}` },
        resource: {
          resourceType: 'Patient',
          identifier: [{ system: MRN, value: number }],
          name: [{ family: 'Somebody else' }],
        },
      },
      {
        request: { method: 'POST', url: 'ServiceRequest' },
        resource: {
          resourceType: 'ServiceRequest',
          identifier: [{ system: ORDERS, value: `${number}-t` }],
          status: 'active',
          intent: 'order',
          code: { text: 'CT head' },
          subject: { reference: 'urn:uuid:5f1c0c0a-1f4e-4c34-9d55-0f6a0a6d1e03' },
        },
      },
    ],
  },
});
result.transaction = {
  statuses: transaction.entry.map((entry) => entry.response.status.slice(0, 3)),
  samePatient: transaction.entry[0].response.location.includes(patient.id),
};

const pages = [];
let page = await fhir.search({
  resourceType: 'Patient',
  searchParams: { _count: '1', _sort: '_id' },
});
while (page && pages.length < 20) {
  pages.push(...(page.entry ?? []).map((entry) => entry.resource.id));
  page = page.link.some((link) => link.relation === 'next')
    ? await fhir.nextPage({ bundle: page })
    : null;
}
result.pages = { count: pages.length, distinct: new Set(pages).size };

try {
  await fhir.read({ resourceType: 'Patient', id: 'unknown' });
} catch (error) {
  result.unknown = {
    status: error.response.status,
    resourceType: error.response.data.resourceType,
  };
}

console.log(JSON.stringify(result));
