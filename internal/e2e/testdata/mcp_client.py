"""Drives toolserve's /mcp with the mcp package of PyPI, in both eras of the protocol."""

import asyncio
import sys

import mcp_types as types
from mcp import Client


async def main(url: str, mode: str) -> None:
    progress = []

    async def on_progress(done, total, message):
        progress.append((done, total))

    async def elicit(context, params):
        return types.ElicitResult(action="accept", content={"name": "Ann"})

    async with Client(url, mode=mode, elicitation_callback=elicit) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert "new__test_simple_text" in names and "old__test_simple_text" in names, names
        result = await client.call_tool("new__test_simple_text", {})
        assert result.content[0].text.startswith("This is a simple text"), result
        result = await client.call_tool("old__test_image_content", {})
        assert result.content[0].mime_type == "image/png", result
        await client.call_tool("old__test_tool_with_progress", {}, progress_callback=on_progress)
        assert progress == [(0, 100), (50, 100), (100, 100)], progress
        result = await client.call_tool("old__test_error_handling", {})
        assert result.is_error, result
        for server in ("new", "old"):
            result = await client.call_tool(server + "__test_input_required_result_elicitation", {})
            assert result.content[0].text == "Hello, Ann!", result
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert "new__test_simple_prompt" in prompts, prompts
        resources = [str(resource.uri) for resource in (await client.list_resources()).resources]
        assert "test://static-text" in resources, resources
    print("ok", mode)


asyncio.run(main(sys.argv[1], sys.argv[2]))
