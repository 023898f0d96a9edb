"""`plan --measure`: a few real steps with the real base, beside what was predicted."""

import time

import mlx.core as mx

from web4mlx.plan.report import Plan, PlanReport, Strategy
from web4mlx.plan.speed import product_speed
from web4mlx.plan.work import add_up, work_of
from web4mlx.train.lora import first_adapters
from web4mlx.train.prepare import load_training_model
from web4mlx.train.recompute import recompute_plan
from web4mlx.train.step import apply_gradients, new_optimizer, step_gradients

STEPS = 3


def measured_report(plan: Plan) -> PlanReport:
    """The plan's report in the fastest precision, corrected by steps of the way it chose."""
    speeds = measure_precisions(plan)
    if plan.config.hardware.dtype == "auto":
        plan.use_precision(max(speeds, key=speeds.__getitem__))
    first = plan.report()
    if first.chosen is None:
        return first
    measured = measure_strategy(plan, first.chosen)
    return plan.report().model_copy(update={"measured": measured, "precisions": speeds})


def measure_precisions(plan: Plan) -> dict[str, float]:
    """Operations a second of large products in each precision a run may take here.

    Full precision needs twice the memory, so a GPU is asked for the half ones only.
    """
    wanted = ("float16", "bfloat16") if plan.on_gpu else ("float32", "float16", "bfloat16")
    return {name: product_speed(plan.planner.shape, name) for name in wanted}


def measure_strategy(plan: Plan, strategy: Strategy) -> dict[str, float]:
    """Take some steps, the one with the largest row first, and correct the plan's forecast by them.

    Returns:
        Peak memory in bytes and seconds of the timed steps, measured and predicted, and real tokens a second.
    """
    config = plan.fitted(strategy)
    training = config.training.model_copy(update={"recompute": strategy.recompute})
    config = config.model_copy(update={"training": training})
    elsewhere = mx.get_active_memory()  # of this process, but not of this plan
    loaded = load_training_model(config, plan.base)  # in the plan's precision
    adapters = first_adapters(loaded.model, loaded.names, config.lora.rank, config.training.seed)
    optimizer = new_optimizer(config.training)
    optimizer.init(adapters)
    work = plan.work(strategy.row_tokens)
    layout = plan.layout(strategy.row_tokens)
    steps = [list(work.largest_samples)] + [s.samples.tolist() for s in plan.sampler().steps()][:STEPS]
    predicted = measured = real = 0.0
    ways = recompute_plan(strategy.recompute, plan.planner.shape.layers)
    mx.reset_peak_memory()
    for number, samples in enumerate(steps):
        batches = layout(plan.data.train, samples)
        started = time.perf_counter()
        _, gradients = step_gradients(loaded.network, adapters, batches, number, 1.0)
        adapters, _ = apply_gradients(adapters, gradients, optimizer, config.training.max_grad_norm, 1.0)
        if number:  # the first one warms up
            done = add_up(work_of(batch) for batch in batches)
            measured += time.perf_counter() - started
            predicted += plan.forecast.seconds(done, ways)
            real += done.real
    peak = mx.get_peak_memory() - elsewhere
    result = {
        "peak_bytes": float(peak), "predicted_peak_bytes": float(plan.planner.peak(work.largest,
        strategy.recompute)), "step_s": measured / STEPS, "predicted_step_s": predicted / STEPS,
        "tokens_per_second": real / measured,
    }  # fmt: skip
    plan.planner = plan.planner.corrected(work.largest, strategy.recompute, peak)
    plan.forecast = plan.forecast.corrected(measured / predicted)
    return result
