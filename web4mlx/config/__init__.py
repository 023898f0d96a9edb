"""What a run is: the configuration model, its loader, and the plan's older JSON form."""

from web4mlx.config.load import check_paths, find_config, find_run_config, load_config, write_config
from web4mlx.config.schema import RunConfig

__all__ = ["RunConfig", "check_paths", "find_config", "find_run_config", "load_config", "write_config"]
