// Package e2e tests the program as its users meet it: the built binary, a real model, real MCP servers
// and other people's clients. It has no code of its own. What a test needs and does not find it names
// in its reason for being skipped:
//
//   - TOOLSERVE_TEST_MODEL: path of a GGUF model, and TOOLSERVE_TEST_ENGINE: folder of the llama.cpp libraries
//   - TOOLSERVE_TEST_NPX=1 and TOOLSERVE_TEST_UVX=1: npx and uvx may fetch MCP servers
//   - TOOLSERVE_TEST_PYTHON: a Python with the packages httpx and openai (default: python3)
//   - TOOLSERVE_TEST_NODE_MODULES: a folder node_modules that holds openai
//   - TOOLSERVE_TEST_CONFORMANCE and TOOLSERVE_TEST_CONFORMANCE_NEXT: folders node_modules that hold node 22 and
//     the MCP conformance suite 0.1.16 and 0.2.0-alpha.12
package e2e
