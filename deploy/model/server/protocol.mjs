// Between the chat-completions protocol, as OpenAI has it, and what a small model writes well: one JSON object, which a grammar holds it to.
// It thinks aloud first, and then either calls one tool or answers. Nothing here needs the model.

const LONGEST_THOUGHT = 300
const LONGEST_DESCRIPTION = 200
const DEEPEST = 6
const SIMPLE = new Set(["string", "number", "integer", "boolean", "null"])

export class BadRequest extends Error {
  constructor(message, code = null) {
    super(message)
    this.code = code
  }
}

// What is asked, checked as far as it is used: {history, tools, isStreamed, maxTokens, temperature}.
export function asked(body) {
  if (body === null || typeof body !== "object" || !Array.isArray(body.messages) || body.messages.length === 0)
    throw new BadRequest("messages is missing.")
  const tools = body.tool_choice === "none" ? [] : (body.tools ?? []).map(toolOf)
  const limit = body.max_completion_tokens ?? body.max_tokens
  return {
    history: historyOf(body.messages, tools),
    tools,
    mustCall: body.tool_choice === "required" && tools.length > 0,
    isStreamed: body.stream === true,
    hasUsage: body.stream_options?.include_usage === true,
    maxTokens: Number.isInteger(limit) && limit > 0 ? limit : 1024,
    temperature: typeof body.temperature === "number" ? body.temperature : 0,
  }
}

function toolOf(tool) {
  const said = tool?.function
  if (typeof said?.name !== "string") throw new BadRequest("A tool has no name.")
  return {name: said.name, description: said.description ?? "", parameters: said.parameters ?? {}}
}

// The messages as the model's own kinds of turns; calls as it would have written them, so that it goes on likewise.
export function historyOf(messages, tools) {
  const system = messages.filter(({role}) => role === "system" || role === "developer").map(({content}) => textOf(content))
  const history = [{type: "system", text: [...system, ...(tools.length ? [instructions(tools)] : [])].join("\n\n")}]
  const names = new Map()
  for (const message of messages) {
    if (message.role === "user") history.push({type: "user", text: textOf(message.content)})
    else if (message.role === "tool") history.push({type: "user", text: `Result of ${names.get(message.tool_call_id) ?? "the tool"}:\n${textOf(message.content)}`})
    else if (message.role === "assistant") {
      const calls = message.tool_calls ?? []
      for (const {id, function: called} of calls) names.set(id, called?.name)
      const written = calls.map(({function: called}) => JSON.stringify({thought: "I use a tool.", tool: called.name, arguments: parsed(called.arguments)}))
      const text = textOf(message.content)
      if (text && tools.length) written.push(JSON.stringify({thought: "I know enough.", answer: text}))
      else if (text) written.push(text)
      if (written.length) history.push({type: "model", response: [written.join("\n")]})
    }
  }
  return history
}

function textOf(content) {
  if (typeof content === "string") return content
  if (!Array.isArray(content)) return ""
  return content.map(part => (part?.type === "text" ? part.text : "[something that this model cannot read]")).join("\n")
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

function instructions(tools) {
  const listed = tools.map(({name, description, parameters}) => `- ${name}(${signature(parameters)}): ${description.replace(/\s+/g, " ").slice(0, LONGEST_DESCRIPTION)}`)
  return [
    "You have these tools:",
    ...listed,
    'Write one JSON object. To use a tool: {"thought": "why", "tool": "name", "arguments": {...}}. Its result comes next. When you know enough: {"thought": "why", "answer": "what you tell the user"}.',
    'For example, asked for the sum of 2 and 3 with a tool add(a: number, b: number), first write {"thought": "I need the sum.", "tool": "add", "arguments": {"a": 2, "b": 3}} and, after its result 5, {"thought": "I have it.", "answer": "2 + 3 = 5"}.',
    "Optional arguments that you do not need are null. Never invent a result.",
  ].join("\n")
}

function signature(schema) {
  const required = new Set(schema.required ?? [])
  return Object.entries(schema.properties ?? {})
    .map(([name, of]) => `${name}${required.has(name) ? "" : "?"}: ${Array.isArray(of?.enum) ? of.enum.map(value => JSON.stringify(value)).join("|") : (of?.type ?? "any")}`)
    .join(", ")
}

// What the grammar is made of: a call of one of the tools, or an answer unless a call is required.
export function outputSchema(tools, mustCall) {
  const thought = {type: "string", maxLength: LONGEST_THOUGHT}
  const answers = mustCall ? [] : [{type: "object", properties: {thought, answer: {type: "string"}}}]
  const calls = tools.map(({name, parameters}) => ({type: "object", properties: {thought, tool: {const: name}, arguments: argumentsSchema(parameters)}}))
  return {oneOf: [...answers, ...calls]}
}

// A tool's schema in the part of JSON Schema that grammars know. Every key is written, so an optional one may be null, and is left out then.
export function argumentsSchema(schema, root = schema, depth = 0) {
  const resolved = resolve(schema, root)
  if (depth > DEEPEST) return {type: "object", additionalProperties: true}
  const required = new Set(resolved.required ?? [])
  const properties = Object.entries(resolved.properties ?? {})
  if (!properties.length) return {type: "object", additionalProperties: true}
  return {
    type: "object",
    properties: Object.fromEntries(properties.map(([name, of]) => {
      const known = valueSchema(of, root, depth + 1)
      return [name, required.has(name) ? known : {oneOf: [known, {type: "null"}]}]
    })),
  }
}

function valueSchema(schema, root, depth) {
  const of = resolve(schema, root)
  if ("const" in of && !isNested(of.const)) return {const: of.const}
  if (Array.isArray(of.enum) && of.enum.length && !of.enum.some(isNested)) return {enum: of.enum}
  for (const word of ["anyOf", "oneOf"])
    if (Array.isArray(of[word]) && of[word].length) return {oneOf: of[word].map(one => valueSchema(one, root, depth + 1))}
  if (Array.isArray(of.type)) return {oneOf: of.type.map(type => valueSchema({...of, type}, root, depth + 1))}
  if (of.type === "array") return {type: "array", items: depth > DEEPEST ? {type: "string"} : valueSchema(of.items ?? {type: "string"}, root, depth + 1)}
  if (of.type === "object" || of.properties) return argumentsSchema(of, root, depth)
  return {type: SIMPLE.has(of.type) ? of.type : "string"}
}

const isNested = value => value !== null && typeof value === "object"

function resolve(schema, root) {
  if (schema === null || typeof schema !== "object") return {}
  const path = typeof schema.$ref === "string" && schema.$ref.startsWith("#/") ? schema.$ref.slice(2).split("/") : null
  return path ? (path.reduce((at, key) => at?.[key], root) ?? {}) : schema
}

// The arguments as the tool wants them: without the optional ones that are null.
export function withoutNulls(given, schema, root = schema) {
  const of = resolve(schema, root)
  if (given === null || typeof given !== "object" || Array.isArray(given)) return given
  const required = new Set(of.required ?? [])
  return Object.fromEntries(Object.entries(given)
    .filter(([name, value]) => value !== null || required.has(name))
    .map(([name, value]) => [name, withoutNulls(value, of.properties?.[name] ?? {}, root)]))
}

// What was written, as a message: {content} or {tool_calls}. A grammar lets it be cut off, but never be anything else.
export function messageOf(text, tools, newId) {
  if (!tools.length) return {role: "assistant", content: text}
  let said
  try {
    said = JSON.parse(text)
  } catch {
    return {role: "assistant", content: answerSoFar(text)}
  }
  const tool = tools.find(({name}) => name === said.tool)
  if (!tool) return {role: "assistant", content: said.answer ?? ""}
  const given = JSON.stringify(withoutNulls(said.arguments ?? {}, tool.parameters))
  return {role: "assistant", content: null, tool_calls: [{id: newId(), type: "function", function: {name: tool.name, arguments: given}}]}
}

// As much of the answer as can be read while it is being written, whole escapes alone; empty before it begins.
export function answerSoFar(text) {
  const begun = /^\s*\{\s*"thought"\s*:\s*"(?:[^"\\]|\\.)*"\s*,\s*"answer"\s*:\s*"((?:[^"\\]|\\u[0-9a-fA-F]{4}|\\["\\/bfnrt])*)/s.exec(text)
  return begun ? JSON.parse(`"${begun[1].replace(/[\n\r\t]/g, sign => JSON.stringify(sign).slice(1, -1))}"`) : ""
}
