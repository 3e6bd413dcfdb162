package bootstrap

// Version is what this build calls itself; the linker sets it (make build).
var Version = "dev"
