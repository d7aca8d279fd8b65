"""A configuration's defaults are Keras's own, and its network is what of it Keras builds."""

import pytest

from pipeline.params.network import NetworkSpec
from pipeline.params.settings import DEFAULT_LEARNING_RATES, Configuration


@pytest.mark.usefixtures("one_thread")
def test_default_learning_rates_are_those_of_keras() -> None:
    import keras

    classes = {"sgd": keras.optimizers.SGD, "rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}
    for name, optimizer in classes.items():
        assert DEFAULT_LEARNING_RATES[name] == pytest.approx(float(optimizer().learning_rate), rel=1e-6)
        assert Configuration.model_validate(
            {"cell": "gru", "units": 1, "optimizer": name}
        ).effective_learning_rate == pytest.approx(DEFAULT_LEARNING_RATES[name])


def test_the_network_of_a_configuration_is_all_of_it_that_is_built() -> None:
    configuration = Configuration(cell="gru", units=4, depth=2, dropout=0.1, epochs=3, optimizer="sgd", view="columns")
    assert configuration.network == NetworkSpec(cell="gru", units=4, depth=2, dropout=0.1)
