"""What DTMA writes on everything of its own on the engine, so that nothing is remembered in memory alone."""

LABEL_SERVER = "io.agentopia.server"
LABEL_GENERATION = "io.agentopia.generation"
LABEL_SPEC = "io.agentopia.spec"
LABEL_TOOLBOX = "io.agentopia.toolbox"
LABEL_INIT = "io.agentopia.init"
