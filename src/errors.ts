/**
 * The error classes of medvox. Every message names the thing, the fact and the rule, in that order, with the
 * file, case or config path concerned. `code` is stable and safe to match on; messages may change.
 */
export class MedvoxError extends Error {
  /** Stable machine-readable code, for example `E_SHAPE`. */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** Shapes, axes or dtypes do not fit an operator. */
export class ShapeError extends MedvoxError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_SHAPE", message, options);
  }
}

/** An affine, spacing or grid is missing, singular or does not match another. */
export class GeometryError extends MedvoxError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_GEOMETRY", message, options);
  }
}

/** A file, case or data set is missing, damaged or breaks a rule. */
export class DataError extends MedvoxError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_DATA", message, options);
  }
}

/** Weights cannot be read, or do not belong to the network. */
export class WeightsError extends MedvoxError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_WEIGHTS", message, options);
  }
}

/** A user asked for something wrongly: an option, a configuration value, a path to write to. */
export class ConfigError extends MedvoxError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_CONFIG", message, options);
  }
}

/** A device, its library or the engine worker failed. */
export class DeviceError extends MedvoxError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_DEVICE", message, options);
  }
}
