// OpenAI's own client for node, with its helpers: what it makes of every answer, as one line of JSON.
import OpenAI, { toFile } from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'x', maxRetries: 0 })
const messages = [{ role: 'user', content: 'Häi' }]
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
const weather = { type: 'function', function: { name: 'weather', description: 'w', parameters } }
const runnable = { type: 'function', function: { ...weather.function, parse: JSON.parse, function: a => `sunny in ${a.city}` } }
const cities = calls => calls.map(c => JSON.parse(c.function.arguments).city)

async function conversation(model) {
  const whole = await client.chat.completions.create({ model, messages })
  const stream = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } })
  let pieces = ''
  stream.on('content', piece => pieces += piece)
  const streamed = await stream.finalChatCompletion()
  const called = await client.chat.completions.stream({ model, messages, tools: [weather] }).finalChatCompletion()
  const run = await client.chat.completions.runTools({ model, messages, tools: [runnable] }).finalContent()
  const runs = await client.chat.completions.runTools({ model, messages, stream: true, tools: [runnable] }).finalContent()
  const form = zodResponseFormat(z.object({ said: z.string() }), 'saying')
  const parsed = await client.chat.completions.parse({ model, messages, response_format: form })
  const response = await client.responses.create({ model, input: 'Häi' })
  const tool = { type: 'function', name: 'weather', strict: false, parameters }
  const events = client.responses.stream({ model, input: 'Häi', tools: [tool] })
  const output = (await events.finalResponse()).output
  const left = await client.chat.completions.create({ model, messages, stream: true })
  for await (const _ of left) { left.controller.abort(); break }
  return {
    texts: [whole.choices[0].message.content, pieces, streamed.choices[0].message.content, response.output_text],
    ids: [whole._request_id, response._request_id].every(id => id.startsWith('req_')),
    usage: [whole.usage.total_tokens, streamed.usage.total_tokens, response.usage.total_tokens],
    calls: [cities(called.choices[0].message.tool_calls), output.filter(o => o.type === 'function_call').map(o => JSON.parse(o.arguments).city)],
    ran: [run, runs].map(text => text.match(/sunny in \p{L}+/gu)),
    parsed: parsed.choices[0].message.parsed,
  }
}

async function raised(ask) {
  try { await ask() } catch (e) { return [e.constructor.name, e.status ?? null, e.code ?? null] }
  return null
}

async function rest() {
  const embedded = await client.embeddings.create({ model: 'm-gemini-embed', input: ['a', 'bb'] }) // asks for base64
  const line = { custom_id: 'one', method: 'POST', url: '/v1/chat/completions', body: { model: 'm-openai', messages } }
  const file = await client.files.create({ file: await toFile(Buffer.from(JSON.stringify(line) + '\n'), 'b.jsonl'), purpose: 'batch' })
  let batch = await client.batches.create({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' })
  for (let i = 0; i < 200 && batch.status !== 'completed'; i++) {
    await new Promise(resolve => setTimeout(resolve, 50))
    batch = await client.batches.retrieve(batch.id)
  }
  const result = JSON.parse(await (await client.files.content(batch.output_file_id)).text())
  const said = await client.audio.transcriptions.create({ model: 'm-files', file: await toFile(Buffer.from('RIFF'), 'a.wav') })
  const drawn = await client.images.edit({ model: 'm-files', prompt: 'x', image: await toFile(Buffer.from('png'), 'a.png', { type: 'image/png' }) })
  const listed = []
  for await (const model of client.models.list()) listed.push(model.id)
  return {
    embedded: embedded.data.map(e => e.embedding[0]),
    batch: [batch.status, result.custom_id, result.response.body.choices[0].message.content],
    counted: (await client.responses.inputTokens.count({ model: 'm-openai', input: 'Häi' })).input_tokens > 0,
    said: said.text,
    drawn: Buffer.from(drawn.data[0].b64_json, 'base64').toString(),
    listed: listed.includes('m-openai') && (await client.models.retrieve('m-openai')).id,
    raised: [
      await raised(() => client.chat.completions.create({ model: 'nope', messages })),
      await raised(() => client.models.retrieve('nope')),
      await raised(() => client.chat.completions.create({ model: 'm-openai', messages: 'x' })),
      await raised(() => client.responses.create({ model: 'm-openai', input: 'x', previous_response_id: 'resp_1' })),
    ],
  }
}

const models = {}
for (const model of process.argv.slice(3)) models[model] = await conversation(model)
console.log(JSON.stringify({ models, rest: await rest() }))
