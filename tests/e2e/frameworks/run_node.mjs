import OpenAI from 'openai'
const client = new OpenAI({baseURL: process.argv[2], apiKey: 'x', maxRetries: 0})
const out = {}
for (const model of ['m-openai', 'm-anthropic', 'm-gemini', 'm-bedrock']) {
  const messages = [{role: 'user', content: 'Häi'}]
  const whole = await client.chat.completions.create({model, messages})
  let streamed = ''
  for await (const chunk of await client.chat.completions.create({model, messages, stream: true}))
    streamed += chunk.choices[0]?.delta?.content ?? ''
  const response = await client.responses.create({model, input: 'Häi'})
  const tools = [{type: 'function', function: {name: 'f', parameters: {type: 'object', properties: {}}}}]
  const called = await client.chat.completions.stream({model, messages, tools}).finalChatCompletion()
  const calls = called.choices[0].message.tool_calls.map(c => JSON.parse(c.function.arguments))
  out[model] = [whole.choices[0].message.content, streamed, response.output_text, calls]
}
let refused = ''
try { await client.chat.completions.create({model: 'nope', messages: []}) } catch (e) { refused = e.constructor.name }
console.log(JSON.stringify({...out, refused}))
