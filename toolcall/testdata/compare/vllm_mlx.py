"""Reads tool calls with the streaming parsers of vllm-mlx, in deltas of four characters.

Usage: vllm_mlx.py FOLDER

FOLDER holds vllm_mlx/ (pip download --no-deps vllm-mlx, unpacked) and texts/ (see docs/benchmarks.md). The
parsers are pure Python; what their package imports besides is replaced by empty modules. Prints a line for
each text: family, kind, KB, processor seconds (the least of up to three runs), and whether the call arrived
with all of its argument.
"""

import importlib.machinery
import json
import logging
import os
import sys
import time
import types

folder = sys.argv[1]
heavy = "transformers huggingface_hub mlx mlx_lm mlx_vlm numpy requests tqdm PIL psutil torch pydantic fastapi".split()


class Empty(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in heavy:
            return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        module = Empty(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


sys.meta_path.append(Finder())
package = types.ModuleType("vllm_mlx")  # without running its __init__, which wants the engine
package.__path__ = [os.path.join(folder, "vllm_mlx")]
sys.modules["vllm_mlx"] = package
logging.disable(logging.CRITICAL)

from vllm_mlx.tool_parsers import ToolParserManager  # noqa: E402

PARSERS = {
    "hermes": "hermes", "qwen3_coder": "qwen3_xml", "mistral": "mistral", "llama3": "llama", "gemma4": "gemma4",
    "deepseek_v3": "deepseek", "deepseek_v4": "deepseek_v4", "kimi_k2": "kimi", "granite": "granite", "nemotron": "nemotron",
    "xlam": "xlam", "functionary": "functionary", "glm47": "glm47", "gpt_oss": "harmony", "minimax": "minimax", "auto": "auto",
}
REQUEST = {"tools": [{"type": "function", "function": {"name": "write_file", "parameters": {
    "type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}}}}]}


def read(name, text):
    """Returns the processor seconds and the arguments of the first call."""
    parser = ToolParserManager.get_tool_parser(name)(None)
    if hasattr(parser, "reset"):
        parser.reset()
    arguments, previous = "", ""
    start = time.process_time()
    for i in range(0, len(text), 4):
        delta = text[i:i + 4]
        current = previous + delta
        result = parser.extract_tool_calls_streaming(previous, current, delta, request=REQUEST)
        previous = current
        for call in (result or {}).get("tool_calls") or []:
            if call.get("index", 0) == 0:
                arguments += (call.get("function") or {}).get("arguments") or ""
    return time.process_time() - start, arguments


for name in sorted(os.listdir(os.path.join(folder, "texts")), key=lambda n: (n.split("-")[0], n.split("-")[1], int(n.split("-")[2][:-4]))):
    family, kind, size = name[:-4].split("-")
    if family not in PARSERS:
        continue
    with open(os.path.join(folder, "texts", name), newline="") as f:
        text = f.read()
    least, whole = None, False
    for _ in range(3):
        try:
            seconds, arguments = read(PARSERS[family], text)
        except Exception as e:
            print(family, kind, size, "-", type(e).__name__, sep="\t", flush=True)
            break
        try:
            whole = len(json.loads(arguments)["content"]) > 500 * int(size)
        except (ValueError, KeyError, TypeError):
            whole = False
        least = seconds if least is None else min(least, seconds)
        if seconds > 1:
            break
    if least is not None:
        print(family, kind, size, f"{least:.5f}", "whole" if whole else "lost", sep="\t", flush=True)
