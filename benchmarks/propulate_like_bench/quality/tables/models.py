"""The models of the tables, made of a point's params."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, QuantileTransformer, StandardScaler
from sklearn.svm import SVR

Params = Mapping[str, Any]


Build = Callable[[Params, int], Any]
"""A function that returns the untrained model of a point, for a seed."""

_SCALERS: dict[str, Callable[[], Any]] = {
    "none": lambda: "passthrough",
    "standard": StandardScaler,
    "range": MinMaxScaler,
    "quantile": lambda: QuantileTransformer(n_quantiles=50, output_distribution="normal"),
    "length": Normalizer,
}


def _scaled(params: Params, model: Any, otherwise: str = "standard") -> Any:
    return make_pipeline(_SCALERS[params.get("scaler", otherwise)](), model)


def _network(epochs: int, kind: type = MLPClassifier, **fixed: Any) -> Build:
    """Return multilayer perceptrons; `width` and `layers` shape them, all else goes by scikit-learn's names."""

    def build(params: Params, seed: int) -> Any:
        shape = (params.get("width", 32),) * params.get("layers", 1)
        own = {key: value for key, value in params.items() if key not in {"width", "layers", "scaler", "components"}}
        if "nesterovs_momentum" in own:
            own["nesterovs_momentum"] = own["nesterovs_momentum"] == "yes"
        network = kind(hidden_layer_sizes=shape, max_iter=epochs, random_state=seed, **fixed, **own)
        if "components" in params:
            network = make_pipeline(PCA(params["components"], whiten=False, random_state=seed), network)
        return _scaled(params, network)

    return build


def _margin(params: Params, seed: int) -> Any:
    return _scaled(params, SVR(max_iter=1000, **{key: value for key, value in params.items() if key != "scaler"}))


def _boosting(kind: type) -> Build:
    return lambda params, seed: kind(n_estimators=16, random_state=seed, **params)


def _forest(params: Params, seed: int) -> Any:
    own = {**params, "bootstrap": params["bootstrap"] == "yes"}
    return ExtraTreesClassifier(n_estimators=8, random_state=seed, **own)


def _linear(params: Params, seed: int) -> Any:
    own = {key: value for key, value in params.items() if key != "scaler"}
    own["average"] = own["average"] == "yes"
    return _scaled(params, SGDClassifier(max_iter=10, tol=None, random_state=seed, **own))


def _neighbors(params: Params, seed: int) -> Any:
    own = {key: value for key, value in params.items() if key not in {"scaler", "components"}}
    reduced = PCA(params["components"], random_state=seed)
    return make_pipeline(_SCALERS[params["scaler"]](), reduced, KNeighborsClassifier(**own))


MODELS: dict[str, Build] = {
    "network": _network(8),
    "descent": _network(6, solver="sgd"),
    "regression": _network(12, MLPRegressor),
    "margin": _margin,
    "longer": _network(10),
    "boosting": _boosting(GradientBoostingClassifier),
    "neighbors": _neighbors,
    "longest": _network(30),
    "descent_regression": _network(6, MLPRegressor, solver="sgd"),
    "linear": _linear,
    "forest": _forest,
    "boosting_regression": _boosting(GradientBoostingRegressor),
}
