// A login by OAuth as a browser and an app would do it: pushed request, sign-in, consent, code, tokens bound to a key.
// Written from the specifications, with nothing of the client under test.

'use strict'

const crypto = require('node:crypto')
const http = require('node:http')

const API = '/@atproto/oauth-provider/~api'
const REDIRECT = 'http://127.0.0.1/callback'

function request(method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const sent = http.request(url, { method, headers, agent: false }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: answer.statusCode, headers: answer.headers, text })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function proof(key, method, url, nonce) {
  const jwk = crypto.createPublicKey(key).export({ format: 'jwk' })
  const now = Math.floor(Date.now() / 1000)
  const claims = { jti: crypto.randomUUID(), htm: method, htu: url, iat: now, exp: now + 60, nonce }
  const signed = [{ typ: 'dpop+jwt', alg: 'ES256', jwk }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const signature = crypto.sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

async function form(key, url, pairs) {
  let nonce
  for (;;) {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', dpop: proof(key, 'POST', url, nonce) }
    const answer = await request('POST', url, headers, new URLSearchParams(pairs).toString())
    const body = JSON.parse(answer.text)
    if (answer.status < 300) return body
    if (body.error !== 'use_dpop_nonce' || nonce) throw new Error(`${url}: ${answer.text}`)
    nonce = answer.headers['dpop-nonce']
  }
}

module.exports = async function login(pds, { username, password, scope }) {
  const client = new URLSearchParams({ redirect_uri: REDIRECT, scope })
  const client_id = `http://localhost?${client}`
  const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const verifier = crypto.randomBytes(32).toString('base64url')
  const challenge = crypto.createHash('sha256').update(verifier).digest('base64url')

  const { request_uri } = await form(privateKey, `${pds}/oauth/par`, {
    client_id, scope, redirect_uri: REDIRECT, response_type: 'code', state: 'x',
    code_challenge: challenge, code_challenge_method: 'S256',
  })

  const page = `${pds}/oauth/authorize?${new URLSearchParams({ client_id, request_uri })}`
  const cookies = {}
  const remember = (answer) => {
    for (const cookie of answer.headers['set-cookie'] ?? []) {
      const [name, value] = cookie.split(';')[0].split('=')
      cookies[name] = value
    }
  }
  const jar = () => Object.entries(cookies).map(([name, value]) => `${name}=${value}`).join('; ')
  remember(await request('GET', page, {
    'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document',
  }))
  const api = async (endpoint, body, token) => {
    const answer = await request('POST', `${pds}${API}${endpoint}`, {
      'content-type': 'application/json', origin: pds, referer: page, cookie: jar(),
      'x-csrf-token': cookies['csrf-token'], 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'same-origin',
      ...(token && { authorization: `Bearer ${token}` }),
    }, JSON.stringify(body))
    remember(answer)
    if (answer.status >= 300) throw new Error(`${endpoint}: ${answer.text}`)
    return JSON.parse(answer.text)
  }
  const { account, ephemeralToken } = await api('/sign-in', { locale: 'en', username, password, remember: false })
  const { url } = await api('/consent', { sub: account.sub, scope }, ephemeralToken)
  const code = new URL(url).searchParams.get('code')
  if (!code) throw new Error(`no code in ${url}`)

  const tokens = await form(privateKey, `${pds}/oauth/token`, {
    grant_type: 'authorization_code', code, client_id, redirect_uri: REDIRECT, code_verifier: verifier,
  })
  const key_pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  return { ...tokens, key_pem, client_id, issuer: pds }
}
