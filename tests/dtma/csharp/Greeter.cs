// A small MCP server over standard input and output, in C# as Debian's compiler understands it. It needs the .NET runtime.
using System;
using System.IO;
using System.Text;
using System.Text.Json;

static class Greeter
{
    const string Tools = "{\"tools\":[{\"name\":\"greet\",\"description\":\"Greets somebody.\",\"inputSchema\":" +
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},\"required\":[\"name\"]}}]}";

    static string Quoted(string text)
    {
        return JsonSerializer.Serialize(text);
    }

    static string Result(string method, JsonElement message)
    {
        switch (method)
        {
            case "initialize":
                return "{\"protocolVersion\":" + message.GetProperty("params").GetProperty("protocolVersion").GetRawText() +
                    ",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"greeter\",\"version\":\"1.0.0\"}}";
            case "ping":
                return "{}";
            case "tools/list":
                return Tools;
            case "tools/call":
                string name = message.GetProperty("params").GetProperty("arguments").GetProperty("name").GetString();
                return "{\"content\":[{\"type\":\"text\",\"text\":" + Quoted("Hello " + name + " from .NET " + Environment.Version) + "}]}";
            default:
                return null;
        }
    }

    static void Main()
    {
        var utf8 = new UTF8Encoding(false);
        var input = new StreamReader(Console.OpenStandardInput(), utf8);
        var output = new StreamWriter(Console.OpenStandardOutput(), utf8);
        for (string line = input.ReadLine(); line != null; line = input.ReadLine())
        {
            using (JsonDocument document = JsonDocument.Parse(line))
            {
                JsonElement message = document.RootElement;
                JsonElement id, method;
                if (!message.TryGetProperty("id", out id) || !message.TryGetProperty("method", out method))
                    continue;
                string result = Result(method.GetString(), message);
                string tail = result != null ? "\"result\":" + result : "\"error\":{\"code\":-32601,\"message\":\"No such method.\"}";
                output.Write("{\"jsonrpc\":\"2.0\",\"id\":" + id.GetRawText() + "," + tail + "}\n");
                output.Flush();
            }
        }
    }
}
