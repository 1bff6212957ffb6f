// Vercel's `ai` over each of its providers, conversations of several turns included: what it makes of it, as JSON.
import { generateText, streamText, embedMany, Output, tool, stepCountIs } from 'ai'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { createAnthropic } from '@ai-sdk/anthropic'
import { z } from 'zod'

globalThis.AI_SDK_LOG_WARNINGS = false
const at = { baseURL: process.argv[2], apiKey: 'x' }
const openai = createOpenAI(at)
const compatible = createOpenAICompatible({ ...at, name: 'lbd', includeUsage: true, supportsStructuredOutputs: true })
const makers = { responses: openai, chat: openai.chat, compatible, anthropic: createAnthropic(at) }
const weather = tool({ description: 'w', inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `sunny in ${city}` })
const many = { stopWhen: stepCountIs(3), maxRetries: 0 }
const ran = text => text.match(/sunny in \p{L}+/gu)

async function conversation(model, structured) {
  const first = await generateText({ model, prompt: 'Häi', maxRetries: 0 })
  const messages = [{ role: 'user', content: 'Häi' }, ...first.response.messages, { role: 'user', content: 'Again' }]
  const second = streamText({ model, messages, maxRetries: 0 }) // refers to what the first one said, where it can
  const tools = await generateText({ model, prompt: 'Häi', tools: { weather }, ...many })
  const streamed = streamText({ model, prompt: 'Häi', tools: { weather }, ...many })
  const output = Output.object({ schema: z.object({ said: z.string() }) })
  return {
    texts: [first.text, await second.text],
    usage: [first.usage.totalTokens, (await second.totalUsage).totalTokens],
    ran: [ran(tools.text), ran(await streamed.text)],
    parsed: structured ? (await generateText({ model, prompt: 'Häi', output, maxRetries: 0 })).output : null,
  }
}

const told = {}
for (const [name, make] of Object.entries(makers))
  for (const model of process.argv.slice(3)) told[`${name} ${model}`] = await conversation(make(model), name !== 'anthropic')
const embedded = await embedMany({ model: openai.embedding('m-gemini-embed'), values: ['a', 'bb'], maxRetries: 0 })
console.log(JSON.stringify({ told, embedded: embedded.embeddings.map(e => e[0]) }))
