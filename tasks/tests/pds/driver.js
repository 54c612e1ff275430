// A PLC directory and a PDS in one process, on free ports of this machine, for the tests.
//
// Prints one line of JSON ({"pds": url, "plc": url}) when both answer. Each line of stdin is a command, also JSON,
// answered by one line:
//   {"login": {username, password, scope}}  logs in by OAuth: the tokens and the key they are bound to
//   {"advance": SECONDS}                    moves the clock of this process, so that tokens expire without a wait
//   {"token_seconds": SECONDS}              how long access tokens given from now on are good for
// Ends when stdin closes, that is: with the test process, however that one ends.

'use strict'

let ahead = 0
const RealDate = Date
globalThis.Date = class Date extends RealDate {
  constructor(...given) {
    given.length === 0 ? super(RealDate.now() + ahead) : super(...given)
  }
  static now() {
    return RealDate.now() + ahead
  }
}

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const readline = require('node:readline')

const login = require('./login.js')

// Whatever the servers keep on disk goes when they go.
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'docket-pds-'))
os.tmpdir = () => home

async function obey(pds, command) {
  if (command.login) return login(pds.url, command.login)
  if (command.advance) ahead += command.advance * 1000
  if (command.token_seconds) pds.ctx.oauthProvider.tokenManager.tokenMaxAge = command.token_seconds * 1000
  return {}
}

async function main() {
  const { TestPlc, TestPds } = require('@atproto/dev-env')
  const plc = await TestPlc.create({})
  const pds = await TestPds.create({ didPlcUrl: plc.url })
  console.log(JSON.stringify({ pds: pds.url, plc: plc.url }))

  for await (const line of readline.createInterface({ input: process.stdin })) {
    const answer = await obey(pds, JSON.parse(line)).catch((error) => ({ failed: String(error.stack) }))
    console.log(JSON.stringify(answer))
  }
}

process.on('exit', () => fs.rmSync(home, { recursive: true, force: true }))
main().then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
