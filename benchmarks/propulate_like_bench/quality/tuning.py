"""Real tuning tasks: scikit-learn models on its bundled data, trained anew at each evaluation.

Their parameters are of all kinds, on linear and logarithmic scales, some of them conditional. A loss is that of
`tables`: log loss, or squared error over variance, on validation halves. Instances are other divisions of the data.
Contestants are compared by their ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any

from propulate_like.problem.parameters import Choice, Float, Int, Ordinal, Parameter
from propulate_like.problem.space import Space
from propulate_like_bench.quality.suites import Problem

REQUIRES = ("scikit-learn",)
DIMENSIONS = ()
_REVISION = 1
_SPLITS = 2

Params = Mapping[str, Any]
Task = tuple[str, Callable[[Params], Any], dict[str, Parameter]]


def names() -> Sequence[str]:
    return list(_TASKS)


def problem(name: str, dimension: int, instance: int) -> Problem:
    from propulate_like_bench.quality.tables.training import mean_loss

    data, build, parameters = _TASKS[name]
    splits = range(instance * _SPLITS, (instance + 1) * _SPLITS)
    return Problem(Space(parameters), lambda params: mean_loss(lambda _: build(params), data, splits))


def version() -> str:
    return f"revision {_REVISION} scikit-learn {metadata.version('scikit-learn')}"


def _network(params: Params) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    own = {
        key: value
        for key, value in params.items()
        if key in {"solver", "activation", "alpha", "batch_size", "learning_rate_init", "momentum", "beta_1"}
    }
    shape = (params["width"],) * params["layers"]
    network = MLPClassifier(hidden_layer_sizes=shape, max_iter=8, random_state=0, **own)
    return make_pipeline(StandardScaler(), network)


def _kernels(params: Params) -> Any:
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), KernelRidge(**params))


def _margin(params: Params) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    own = {key: value for key, value in params.items() if key != "scale"}
    scaler = StandardScaler() if params["scale"] else "passthrough"
    return make_pipeline(scaler, SVR(max_iter=2000, **own))


def _boosting(params: Params) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(random_state=0, **params)


def _forest(params: Params) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_estimators=10, random_state=0, **params)


def _elastic(params: Params) -> Any:
    from sklearn.linear_model import ElasticNet
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    own = {key: value for key, value in params.items() if key in {"alpha", "l1_ratio", "fit_intercept"}}
    features = PolynomialFeatures(params["degree"], interaction_only=params["products_only"])
    return make_pipeline(StandardScaler(), features, StandardScaler(), ElasticNet(max_iter=300, **own))


def _pipeline(params: Params) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    scaler = {"none": "passthrough", "range": MinMaxScaler(), "standard": StandardScaler()}[params["scaler"]]
    reduction = PCA(params["components"], random_state=0) if params["reduce"] else "passthrough"
    model: Any
    if params["model"] == "neighbors":
        model = KNeighborsClassifier(params["neighbors"], weights=params["weights"], p=params["power"])
    elif params["model"] == "logistic":
        model = LogisticRegression(C=params["inverse_penalty"], max_iter=40)
    else:
        model = GaussianNB(var_smoothing=params["smoothing"])
    return make_pipeline(scaler, reduction, model)


def _stochastic(params: Params) -> Any:
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), SGDClassifier(max_iter=10, tol=None, random_state=0, **params))


_TASKS: dict[str, Task] = {
    "network": (
        "digits",
        _network,
        {
            "solver": Choice("adam", "sgd"),
            "activation": Choice("relu", "tanh", "logistic"),
            "learning_rate_init": Float(1e-4, 0.3, log=True),
            "alpha": Float(1e-6, 10.0, log=True),
            "width": Int(4, 64, log=True),
            "layers": Int(1, 3),
            "batch_size": Ordinal(16, 32, 64, 128),
            "momentum": Float(0.0, 0.99, when={"solver": "sgd"}),
            "beta_1": Float(0.0, 0.99, when={"solver": "adam"}),
        },
    ),
    "kernel_ridge": (
        "diabetes",
        _kernels,
        {
            "kernel": Choice("rbf", "laplacian", "polynomial", "sigmoid"),
            "alpha": Float(1e-3, 1e3, log=True),
            "gamma": Float(1e-4, 1.0, log=True),
            "coef0": Float(0.0, 3.0, when={"kernel": ["polynomial", "sigmoid"]}),
            "degree": Int(1, 4, when={"kernel": "polynomial"}),
        },
    ),
    "svm": (
        "diabetes",
        _margin,
        {
            "kernel": Choice("rbf", "poly", "linear"),
            "scale": Choice(True, False),
            "C": Float(1e-2, 1e2, log=True),
            "epsilon": Float(1e-3, 1.0, log=True),
            "gamma": Float(1e-4, 1.0, log=True, when={"kernel": ["rbf", "poly"]}),
            "degree": Int(2, 4, when={"kernel": "poly"}),
            "coef0": Float(0.0, 3.0, when={"kernel": "poly"}),
        },
    ),
    "boosting": (
        "diabetes",
        _boosting,
        {
            "loss": Choice("squared_error", "absolute_error", "huber"),
            "alpha": Float(0.5, 0.99, when={"loss": "huber"}),
            "n_estimators": Int(5, 30),
            "learning_rate": Float(0.01, 1.0, log=True),
            "max_depth": Int(1, 4),
            "subsample": Float(0.2, 1.0),
            "max_features": Float(0.1, 1.0),
            "min_samples_leaf": Int(1, 40, log=True),
        },
    ),
    "forest": (
        "breast_cancer",
        _forest,
        {
            "criterion": Choice("gini", "entropy"),
            "max_depth": Int(1, 16),
            "max_features": Float(0.05, 1.0),
            "min_samples_split": Float(0.005, 0.5, log=True),
            "ccp_alpha": Float(1e-5, 0.1, log=True),
            "bootstrap": Choice(False, True),
            "max_samples": Float(0.1, 1.0, when={"bootstrap": True}),
        },
    ),
    "elastic_net": (
        "diabetes",
        _elastic,
        {
            "alpha": Float(1e-4, 10.0, log=True),
            "l1_ratio": Float(0.0, 1.0),
            "degree": Int(1, 2),
            "products_only": Choice(True, False),
            "fit_intercept": Choice(True, False),
        },
    ),
    "pipeline": (
        "digits",
        _pipeline,
        {
            "scaler": Choice("none", "range", "standard"),
            "reduce": Choice(True, False),
            "components": Int(2, 40, when={"reduce": True}),
            "model": Choice("neighbors", "logistic", "bayes"),
            "neighbors": Int(1, 40, log=True, when={"model": "neighbors"}),
            "weights": Choice("uniform", "distance", when={"model": "neighbors"}),
            "power": Float(1.0, 4.0, when={"model": "neighbors"}),
            "inverse_penalty": Float(1e-4, 1e3, log=True, when={"model": "logistic"}),
            "smoothing": Float(1e-10, 1.0, log=True, when={"model": "bayes"}),
        },
    ),
    "descent": (
        "breast_cancer",
        _stochastic,
        {
            "loss": Choice("log_loss", "modified_huber"),
            "penalty": Choice("l2", "l1", "elasticnet"),
            "l1_ratio": Float(0.0, 1.0, when={"penalty": "elasticnet"}),
            "alpha": Float(1e-6, 1.0, log=True),
            "learning_rate": Choice("constant", "invscaling", "adaptive", "optimal"),
            "eta0": Float(1e-4, 1.0, log=True, when={"learning_rate": ["constant", "invscaling", "adaptive"]}),
            "power_t": Float(0.0, 1.0, when={"learning_rate": "invscaling"}),
            "average": Choice(False, True),
        },
    ),
}
