// Anthropic's own client for node, with its helpers: what it makes of every answer, as one line of JSON.
import Anthropic from '@anthropic-ai/sdk'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import { z } from 'zod'

const client = new Anthropic({ baseURL: process.argv[2].replace(/\/v1$/, ''), apiKey: 'x', maxRetries: 0 })
const messages = [{ role: 'user', content: 'Häi' }]
const city = z.object({ city: z.string() })
const weather = { name: 'weather', description: 'w', input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } }
const runnable = betaZodTool({ name: 'weather', description: 'w', inputSchema: city, run: a => `sunny in ${a.city}` })
const text = message => message.content.filter(b => b.type === 'text').map(b => b.text).join('')
const cities = message => message.content.filter(b => b.type === 'tool_use').map(b => b.input.city)

async function conversation(model) {
  const ask = { model, max_tokens: 100, messages }
  const whole = await client.messages.create(ask)
  const stream = client.messages.stream(ask)
  let pieces = ''
  stream.on('text', piece => pieces += piece)
  const streamed = await stream.finalMessage()
  const called = await client.messages.create({ ...ask, tools: [weather] })
  const calls = await client.messages.stream({ ...ask, tools: [weather] }).finalMessage()
  const run = await client.beta.messages.toolRunner({ ...ask, tools: [runnable] })
  let last
  for await (const turn of client.beta.messages.toolRunner({ ...ask, stream: true, tools: [runnable] })) last = await turn.finalMessage()
  const format = zodOutputFormat(z.object({ said: z.string() }))
  const parsed = await client.messages.parse({ ...ask, output_config: { format } })
  return {
    texts: [text(whole), pieces, text(streamed)],
    ids: [whole._request_id, stream.request_id].every(id => id.startsWith('req_')),
    stops: [whole.stop_reason, streamed.stop_reason, called.stop_reason, calls.stop_reason],
    calls: [cities(called), cities(calls)],
    ran: [text(run), text(last)].map(said => said.match(/sunny in \p{L}+/gu)),
    parsed: parsed.parsed_output,
  }
}

async function raised(ask) {
  try { await ask() } catch (e) { return [e.constructor.name, e.status ?? null, e.type ?? null, e.requestID?.startsWith('req_') ?? null] }
  return null
}

const models = {}
for (const model of process.argv.slice(3)) models[model] = await conversation(model)
const listed = []
for await (const model of client.models.list()) listed.push(model.id)
const counted = await client.messages.countTokens({ model: 'm-gemini', messages })
console.log(JSON.stringify({
  models,
  listed: listed.includes('m-anthropic') && (await client.models.retrieve('m-anthropic')).id,
  counted: counted.input_tokens > 0,
  raised: [
    await raised(() => client.messages.create({ model: 'nope', max_tokens: 5, messages })),
    await raised(() => client.messages.create({ model: 'm-openai', max_tokens: 5, messages: 'x' })),
  ],
}))
