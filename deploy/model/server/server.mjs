// The embedded model behind the chat-completions protocol: GET /v1/models, POST /v1/chat/completions (streamed or whole), GET /health.
// One request at a time; a few wait, more are told to come again. Configured by MODEL (a GGUF file), NAME, PORT, THREADS and CONTEXT.
import {createServer} from "node:http"
import {randomUUID} from "node:crypto"
import {createRequire} from "node:module"
import {BadRequest, answerSoFar, asked, messageOf, outputSchema} from "./protocol.mjs"

const {getLlama, LlamaChat} = await import(createRequire("/opt/mcp/").resolve("node-llama-cpp"))
const NAME = process.env.NAME ?? "embedded"
const CONTEXT = Number(process.env.CONTEXT ?? 8192)
const MOST_WAITING = 4
const MOST_BYTES = 4 * 1024 * 1024
const MOST_GRAMMARS = 50
const TURN_TOKENS = 8
const ANSWER_TOKENS = 512

const llama = await getLlama({gpu: false, build: "never", progressLogs: false})
const model = await llama.loadModel({modelPath: process.env.MODEL})
const context = await model.createContext({contextSize: CONTEXT, threads: Number(process.env.THREADS ?? 1)})
const chat = new LlamaChat({contextSequence: context.getSequence()})
const grammars = new Map()
let waiting = 0
let last = Promise.resolve()

async function grammarOf(tools, mustCall) {
  const key = JSON.stringify([tools, mustCall])
  if (!grammars.has(key)) {
    if (grammars.size >= MOST_GRAMMARS) grammars.delete(grammars.keys().next().value)
    grammars.set(key, await llama.createGrammarForJsonSchema(outputSchema(tools, mustCall)))
  }
  return grammars.get(key)
}

// Older turns would be left out without a word where it is too long: whoever asks knows better what can be spared.
function checkLength({history}) {
  const texts = history.map(turn => turn.text ?? turn.response.join(""))
  const tokens = texts.reduce((sum, text) => sum + (text.length > CONTEXT * 16 ? CONTEXT : model.tokenize(text).length) + TURN_TOKENS, 0)
  if (tokens > CONTEXT - ANSWER_TOKENS)
    throw new BadRequest(`This model reads ${CONTEXT - ANSWER_TOKENS} tokens at most: the conversation with its tools has ${tokens}.`, "context_length_exceeded")
}

// Write an answer; `told` hears what of it can be shown already. Resolves to the text and why it ended.
async function generate(request, signal, told) {
  const grammar = request.tools.length ? await grammarOf(request.tools, request.mustCall) : undefined
  let text = ""
  const {response, metadata} = await chat.generateResponse([...request.history, {type: "model", response: []}], {
    grammar,
    signal,
    maxTokens: request.maxTokens,
    temperature: request.temperature,
    onTextChunk(chunk) {
      text += chunk
      told(grammar ? answerSoFar(text) : text)
    },
  })
  return {text: response, isCut: metadata.stopReason === "maxTokens"}
}

// One after the other, in the order in which they came.
function inTurn(work) {
  const turn = last.then(work)
  last = turn.catch(() => {})
  return turn
}

async function complete(request, signal, response) {
  const id = `chatcmpl-${randomUUID()}`
  const begun = {id, created: Math.floor(Date.now() / 1000), model: NAME}
  const used = () => {
    const {usedInputTokens, usedOutputTokens} = chat.sequence.tokenMeter
    return {input: usedInputTokens, output: usedOutputTokens}
  }
  const before = used()
  const usage = () => {
    const {input, output} = used()
    const [prompt_tokens, completion_tokens] = [input - before.input, output - before.output]
    return {prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens}
  }
  if (!request.isStreamed) {
    const {text, isCut} = await generate(request, signal, () => {})
    const message = messageOf(text, request.tools, () => `call_${randomUUID()}`)
    const choice = {index: 0, message, finish_reason: reason(message, isCut)}
    return send(response, 200, {...begun, object: "chat.completion", choices: [choice], usage: usage()})
  }
  const event = data => response.write(`data: ${JSON.stringify({...begun, object: "chat.completion.chunk", ...data})}\n\n`)
  const delta = (of, finish_reason = null) => event({choices: [{index: 0, delta: of, finish_reason}]})
  response.writeHead(200, {"content-type": "text/event-stream", "cache-control": "no-store"})
  delta({role: "assistant", content: ""})
  let shown = ""
  const {text, isCut} = await generate(request, signal, soFar => {
    if (soFar.length > shown.length) delta({content: soFar.slice(shown.length)})
    shown = soFar
  })
  const message = messageOf(text, request.tools, () => `call_${randomUUID()}`)
  if (message.tool_calls) delta({tool_calls: message.tool_calls.map((call, index) => ({index, ...call}))})
  else if (message.content.length > shown.length) delta({content: message.content.slice(shown.length)})
  delta({}, reason(message, isCut))
  if (request.hasUsage) event({choices: [], usage: usage()})
  response.end("data: [DONE]\n\n")
}

const reason = (message, isCut) => (message.tool_calls ? "tool_calls" : isCut ? "length" : "stop")

function send(response, status, body, headers = {}) {
  response.writeHead(status, {"content-type": "application/json", ...headers})
  response.end(JSON.stringify(body))
}

const refuse = (response, status, message, headers, code = null) =>
  send(response, status, {error: {message, type: status < 500 ? "invalid_request_error" : "server_error", code}}, headers)

async function bodyOf(request) {
  const pieces = []
  let size = 0
  for await (const piece of request) {
    size += piece.length
    if (size > MOST_BYTES) throw new BadRequest("The request is larger than 4 MB.")
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString())
  } catch {
    throw new BadRequest("The body is not JSON.")
  }
}

async function answer(request, response) {
  const path = new URL(request.url, "http://model").pathname
  if (request.method === "GET" && path === "/health") return send(response, 200, {status: "ok"})
  if (request.method === "GET" && path === "/v1/models") return send(response, 200, {object: "list", data: [{id: NAME, object: "model", owned_by: "agentopia"}]})
  if (request.method !== "POST" || path !== "/v1/chat/completions") return refuse(response, 404, "There is no such address here.")
  if (waiting > MOST_WAITING) return refuse(response, 429, "The embedded model answers one request at a time, and others wait already.", {"retry-after": "20"})
  const left = new AbortController()
  response.on("close", () => left.abort(new Error("The client left.")))
  waiting += 1
  try {
    const wanted = asked(await bodyOf(request))
    checkLength(wanted)
    await inTurn(async () => {
      left.signal.throwIfAborted()
      await complete(wanted, left.signal, response)
    })
  } catch (error) {
    if (left.signal.aborted) return
    const isTheirs = error instanceof BadRequest
    if (!isTheirs) console.error(error)
    if (response.headersSent) response.destroy()
    else refuse(response, isTheirs ? 400 : 500, isTheirs ? error.message : "The model failed.", {}, error.code)
  } finally {
    waiting -= 1
  }
}

const server = createServer((request, response) => void answer(request, response))
server.listen(Number(process.env.PORT ?? 8080), "0.0.0.0", () => console.log(`${NAME} is ready.`))
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0))
