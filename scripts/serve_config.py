"""Write how vLLM serves the base with one LoRA adapter for each author, and the settings of this server in front of it.

Reads   artifacts/adapter/, authors/*/artifacts/adapter/
Writes  artifacts/vllm/serve.sh      the command for the machine with the GPU
        artifacts/vllm/serve.env     settings for .env
Run     make serve-config
"""

import _path

import argparse

from blogtwin.console import echo, run_cli


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    from blogtwin.config import load_params
    from blogtwin.models.registry import resolve_base
    from serve import vllm_config
    from serve.settings import Settings

    base = resolve_base(load_params().train.base)
    adapters, left_out = vllm_config.write_config(base, Settings().context)
    echo(f"wrote {vllm_config.FOLDER}/serve.sh: {base.name} with {', '.join(one.name for one in adapters)}")
    for reason in left_out:
        echo(f"  left out: {reason}")
    echo(f"then this server in front: add the lines of {vllm_config.FOLDER}/serve.env to .env")


if __name__ == "__main__":
    run_cli(main)
