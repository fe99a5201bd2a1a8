export const SettingsPlace = () => <p />;
