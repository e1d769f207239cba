// Loads traces into catapult's own importer, the code behind chrome://tracing, and fails on
// whatever it warns about; then checks the files against the JSON schema.
//
//     node import.cjs NODE_MODULES SCHEMA FILE...
//
// The importer is npm's traceviewer. Its loader wants python2 only to learn four folders, which
// are given to it here.
'use strict';
const fs = require('fs');
const path = require('path');

const [modules, schemaPath, ...files] = process.argv.slice(2);
const viewer = path.join(modules, 'traceviewer');

function loadImporter() {
  require(path.join(viewer, 'catapult_build', 'node_bootstrap.js'));
  const thirdParty = path.join(viewer, 'tracing', 'third_party');
  HTMLImportsLoader.addArrayToSourcePath([
    path.join(viewer, 'tracing'),
    thirdParty,
    path.join(thirdParty, 'jszip'),
    path.join(thirdParty, 'gl-matrix', 'dist'),
    path.join(thirdParty, 'd3'),
  ]);
  HTMLImportsLoader.loadHTML('/tracing/importer/import.html');
  HTMLImportsLoader.loadHTML('/tracing/extras/importer/trace_event_importer.html');
  HTMLImportsLoader.loadHTML('/tracing/model/model.html');
}

function sizeOf(slice) {
  return slice.subSlices.reduce((sum, inner) => sum + sizeOf(inner), 1);
}

function importTrace(text) {
  const model = new tr.Model();
  const options = new tr.importer.ImportOptions();
  options.shiftWorldToZero = false;
  options.showImportWarnings = false;
  new tr.importer.Import(model, options).importTraces([text]);
  const seen = {slices: 0, async: 0, flows: model.flowEvents.length, counters: 0};
  for (const process of Object.values(model.processes)) {
    seen.counters += Object.keys(process.counters).length;
    for (const thread of Object.values(process.threads)) {
      seen.slices += thread.sliceGroup.length;
      for (const slice of thread.asyncSliceGroup.slices) {
        seen.async += sizeOf(slice);
      }
    }
  }
  return {warnings: model.importWarnings, seen};
}

// What the file says it holds: the importer must show all of it. Instants of a thread are kept
// among its slices.
function expected(trace) {
  const count = (test) => trace.traceEvents.filter(test).length;
  return {
    slices: count((event) => event.ph === 'X' || (event.ph === 'i' && event.s === 't')),
    async: count((event) => event.ph === 'b'),
    flows: count((event) => event.ph === 's'),
  };
}

function loadSchema() {
  const Ajv = require(path.join(modules, 'ajv', 'dist', '2020.js')).default;
  return new Ajv({strict: true, allErrors: false, allowUnionTypes: true}).compile(
      JSON.parse(fs.readFileSync(schemaPath, 'utf8')));
}

function check(file, validate) {
  const text = fs.readFileSync(file, 'utf8');
  const trace = JSON.parse(text);
  const problems = [];
  const {warnings, seen} = importTrace(text);
  for (const warning of warnings) problems.push(`${warning.type}: ${warning.message}`);
  for (const [what, count] of Object.entries(expected(trace))) {
    if (seen[what] !== count) problems.push(`${what}: ${count} written, ${seen[what]} shown`);
  }
  if (!validate(trace)) {
    // Of all that a oneOf tried, the deepest is nearest to what was meant.
    const depth = (error) => error.instancePath.length;
    const {instancePath, message} =
        validate.errors.reduce((a, b) => (depth(b) > depth(a) ? b : a));
    problems.push(`schema: ${instancePath} ${message}`);
  }
  for (const problem of problems) console.log(`${file}: ${problem}`);
  if (problems.length === 0) console.log(`${file}: ok ${JSON.stringify(seen)}`);
  return problems.length === 0;
}

loadImporter();
const validate = loadSchema();
process.exit(files.map((file) => check(file, validate)).every(Boolean) ? 0 : 1);
